-- tables: nexmark
-- parallelism: 1 2
SELECT b.bidder, COUNT(*) AS bid_count,
  CAST(SESSION_START(b.dateTime, INTERVAL '10' SECOND) AS STRING) AS s,
  CAST(SESSION_END(b.dateTime, INTERVAL '10' SECOND) AS STRING) AS e
FROM bid b GROUP BY b.bidder, SESSION(b.dateTime, INTERVAL '10' SECOND);
