-- OptiBid's database in small: every kind of object that a backup has to bring back.
CREATE EXTENSION postgis;
CREATE EXTENSION "uuid-ossp";
CREATE EXTENSION hstore;
COMMENT ON EXTENSION hstore IS 'tags of bids';

CREATE SCHEMA market AUTHORIZATION keeper;
CREATE TYPE bid_state AS ENUM ('open', 'won', 'lost');
CREATE DOMAIN megawatts AS numeric(12, 3) CHECK (VALUE >= 0);
CREATE SEQUENCE bid_numbers START 1000 INCREMENT 7 CACHE 3;

CREATE TABLE organizations (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name text NOT NULL UNIQUE, settings jsonb);
INSERT INTO organizations (name, settings)
    SELECT 'organization ' || n, jsonb_build_object('n', n) FROM generate_series(1, 50) n;
CREATE TABLE assets (
    id serial PRIMARY KEY, organization_id uuid NOT NULL REFERENCES organizations,
    place geometry(Point, 4326) NOT NULL, capacity megawatts);
INSERT INTO assets (organization_id, place, capacity)
    SELECT o.id, ST_SetSRID(ST_MakePoint(n % 360 - 180, n % 180 - 90), 4326), n
    FROM generate_series(1, 500) n JOIN organizations o ON o.name = 'organization ' || (n % 50 + 1);
CREATE INDEX assets_place ON assets USING gist (place);

CREATE TABLE bids (
    id bigint PRIMARY KEY, number bigint NOT NULL DEFAULT nextval('bid_numbers'),
    asset_id int NOT NULL REFERENCES assets, state bid_state NOT NULL, price numeric(10, 2) NOT NULL,
    tags hstore, note text, at timestamptz NOT NULL);
ALTER SEQUENCE bid_numbers OWNED BY bids.number;
INSERT INTO bids (id, asset_id, state, price, tags, note, at)
    SELECT n, n % 500 + 1, (ARRAY['open', 'won', 'lost'])[n % 3 + 1]::bid_state, n % 9973,
        CASE n % 10 WHEN 0 THEN hstore('zone', 'PJM') END, md5(n::text),
        '2026-01-01Z'::timestamptz + n * interval '1 second'
    FROM generate_series(1, :rows * 6 / 10) n;
CREATE INDEX bids_at ON bids (at);

CREATE TABLE market.prices (
    zone text NOT NULL, at timestamptz NOT NULL, price double precision, PRIMARY KEY (zone, at)
) PARTITION BY LIST (zone);
CREATE TABLE market.prices_pjm PARTITION OF market.prices FOR VALUES IN ('PJM');
CREATE TABLE market.prices_other PARTITION OF market.prices DEFAULT;
INSERT INTO market.prices
    SELECT CASE n % 2 WHEN 0 THEN 'PJM' ELSE 'ERCOT' END,
        '2026-01-01Z'::timestamptz + n * interval '1 second', sin(n)
    FROM generate_series(1, :rows * 4 / 10) n;

CREATE TABLE audit_logs (
    id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 2) PRIMARY KEY,
    said text NOT NULL, raw bytea);
INSERT INTO audit_logs (said, raw) VALUES (E'a \t tab, a \\. dot\nand a line', '\x00ff1b'), ('', NULL);

CREATE VIEW dear_bids WITH (security_barrier) AS SELECT * FROM bids WHERE price > 9000;
CREATE MATERIALIZED VIEW won AS SELECT asset_id, count(*) FROM bids WHERE state = 'won' GROUP BY 1;
CREATE STATISTICS bids_related ON asset_id, state FROM bids;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    AS $$ BEGIN NEW.note := coalesce(NEW.note, 'none'); RETURN NEW; END $$;
CREATE TRIGGER bids_noted BEFORE INSERT ON bids FOR EACH ROW EXECUTE FUNCTION noted();
CREATE PUBLICATION of_prices FOR TABLE market.prices;
SELECT lo_from_bytea(4711, '\xdeadbeef');

ALTER TABLE bids OWNER TO keeper;
ALTER TABLE market.prices OWNER TO keeper;
ALTER FUNCTION noted() OWNER TO keeper;
ALTER TYPE bid_state OWNER TO keeper;
GRANT USAGE ON SCHEMA market TO reader;
GRANT SELECT ON bids, market.prices TO reader;
GRANT UPDATE (note), INSERT (id) ON bids TO reader WITH GRANT OPTION;
GRANT USAGE ON SEQUENCE bid_numbers TO reader;
GRANT SELECT ON LARGE OBJECT 4711 TO reader;
REVOKE EXECUTE ON FUNCTION noted() FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE keeper IN SCHEMA market GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE keeper REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER TABLE audit_logs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_lines ON audit_logs FOR SELECT TO reader USING (said <> '');
COMMENT ON TABLE bids IS 'what was offered';
COMMENT ON COLUMN bids.price IS 'per MWh, in $';
COMMENT ON FUNCTION noted() IS 'no bid without a note';

CREATE TABLE schema_migrations (
    version text PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),
    execution_time_ms integer, checksum text, success boolean NOT NULL, error_message text);
INSERT INTO schema_migrations (version, name, success) VALUES ('003', 'seed', true);
