-- tables: bids
-- note: between two subtasks a late retraction may be in time or not
SELECT auction, CAST(TUMBLE_END(ts, INTERVAL '10' SECOND) AS STRING) AS e, COUNT(*) AS n, SUM(price) AS s
FROM (SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY name, auction ORDER BY ts DESC) AS rn FROM bids) WHERE rn = 1)
GROUP BY auction, TUMBLE(ts, INTERVAL '10' SECOND);
