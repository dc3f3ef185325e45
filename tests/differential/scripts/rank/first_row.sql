-- tables: bids
-- parallelism: 2
-- mini-batch: both
SELECT name, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY name ORDER BY ts) AS rn FROM bids) WHERE rn = 1;
