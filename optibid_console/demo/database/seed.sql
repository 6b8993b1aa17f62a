-- The same rows every time: made from numbers, not from chance.
INSERT INTO schema_migrations
SELECT version, name, timestamptz '2026-06-01 09:00Z' + n * interval '1 day', 40 + 113 * n,
       encode(sha256(name::bytea), 'hex'), true, NULL
FROM (VALUES (1, '001', '001_initial_schema'), (2, '002', '002_audit_logs'),
             (3, '003', '003_seed_data')) AS applied (n, version, name);

INSERT INTO organizations
SELECT n, 'Organization ' || n, (ARRAY['PJM', 'CAISO', 'ERCOT', 'NYISO'])[1 + n % 4],
       hstore('currency', 'USD'), timestamptz '2026-01-01 00:00Z' + n * interval '1 hour'
FROM generate_series(1, 40) AS n;

INSERT INTO users
SELECT n, 1 + n % 40, 'user' || n || '@example.com',
       (ARRAY['trader', 'analyst', 'viewer', 'admin'])[1 + n % 4],
       encode(sha256(('password' || n)::bytea), 'hex'),
       timestamptz '2026-01-02 00:00Z' + n * interval '7 minutes'
FROM generate_series(1, 2000) AS n;
INSERT INTO users
VALUES (2001, 1, 'test@example.com', 'trader', encode(sha256('testpass'), 'hex'),
        timestamptz '2026-01-02 00:00Z');

INSERT INTO assets
SELECT n, 1 + n % 40, 'Asset ' || n, (ARRAY['solar', 'wind', 'battery', 'hydro'])[1 + n % 4],
       5 + (n * 37) % 195
FROM generate_series(1, 400) AS n;

INSERT INTO bids
SELECT n, 1 + n % 400, 1 + n % 2000, (ARRAY['PJM', 'CAISO', 'ERCOT', 'NYISO'])[1 + n % 4],
       1 + (n * 7919) % 240, 18 + (n * 104729) % 9000 / 100.0,
       (ARRAY['submitted', 'accepted', 'rejected'])[1 + n % 3],
       timestamptz '2026-09-01 00:00Z' + n * interval '4 minutes'
FROM generate_series(1, 15000) AS n;

INSERT INTO market_prices
SELECT zone, timestamptz '2026-10-01 00:00Z' + n * interval '15 minutes',
       32 + 18 * sin(n / 15.3)::numeric(10, 4) + (n * 31) % 700 / 100.0,
       42000 + 9000 * sin(n / 15.3 - 0.6)::numeric(10, 4)
FROM unnest(ARRAY['PJM', 'CAISO', 'ERCOT', 'NYISO']) AS zone, generate_series(1, 5000) AS n;

INSERT INTO audit_logs
SELECT n, 1 + n % 2000, (ARRAY['login', 'bid.submitted', 'asset.updated'])[1 + n % 3],
       timestamptz '2026-09-01 00:00Z' + n * interval '5 minutes'
FROM generate_series(1, 8000) AS n;
