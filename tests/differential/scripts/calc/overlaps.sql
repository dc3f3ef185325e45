-- tables: bids
-- parallelism: 2
SELECT id, (ts, ts + INTERVAL '10' SECOND) OVERLAPS (TIMESTAMP '2024-01-01 00:01:00', INTERVAL '20' SECOND) AS o FROM bids;
