CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '40' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
CREATE VIEW tops AS SELECT auction, id, price, ts
  FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY ts DESC) AS rn FROM bids) WHERE rn = 1;
SELECT o.id AS id, r.id AS version FROM bids o LEFT JOIN tops FOR SYSTEM_TIME AS OF o.ts AS r ON o.auction = r.auction;
