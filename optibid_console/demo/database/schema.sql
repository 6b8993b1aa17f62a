-- What OptiBid's migrations 001 to 003 leave behind, as far as the demo needs it.
CREATE EXTENSION hstore;

CREATE TABLE schema_migrations (
    version           text PRIMARY KEY,
    name              text NOT NULL,
    applied_at        timestamptz NOT NULL DEFAULT now(),
    execution_time_ms integer NOT NULL,
    checksum          text NOT NULL,
    success           boolean NOT NULL,
    error_message     text
);

CREATE TABLE organizations (
    id         integer PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    region     text NOT NULL,
    settings   hstore NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL
);

CREATE TABLE users (
    id              integer PRIMARY KEY,
    organization_id integer NOT NULL REFERENCES organizations,
    email           text NOT NULL UNIQUE,
    role            text NOT NULL CHECK (role IN ('admin', 'trader', 'analyst', 'viewer')),
    password_sha256 text NOT NULL,
    created_at      timestamptz NOT NULL
);

CREATE TABLE assets (
    id              integer PRIMARY KEY,
    organization_id integer NOT NULL REFERENCES organizations,
    name            text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('solar', 'wind', 'battery', 'hydro')),
    capacity_mw     numeric(8, 2) NOT NULL CHECK (capacity_mw > 0)
);

CREATE TABLE bids (
    id           integer PRIMARY KEY,
    asset_id     integer NOT NULL REFERENCES assets,
    user_id      integer NOT NULL REFERENCES users,
    market_zone  text NOT NULL,
    quantity_mwh numeric(10, 3) NOT NULL,
    price        numeric(10, 2) NOT NULL,
    status       text NOT NULL CHECK (status IN ('submitted', 'accepted', 'rejected')),
    submitted_at timestamptz NOT NULL
);
CREATE INDEX bids_asset ON bids (asset_id, submitted_at DESC);

CREATE TABLE market_prices (
    market_zone text NOT NULL,
    at          timestamptz NOT NULL,
    price       numeric(10, 2) NOT NULL,
    load_mw     numeric(10, 1) NOT NULL,
    PRIMARY KEY (market_zone, at)
);

CREATE TABLE audit_logs (
    id      integer PRIMARY KEY,
    user_id integer REFERENCES users,
    action  text NOT NULL,
    at      timestamptz NOT NULL
);
