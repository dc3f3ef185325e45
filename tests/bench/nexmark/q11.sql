-- How many bids each bidder makes before pausing for ten seconds: sessions.
CREATE TABLE sink (bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3))
  WITH ('connector' = 'blackhole');
INSERT INTO sink
SELECT bidder, COUNT(*), SESSION_START(dateTime, INTERVAL '10' SECOND),
       SESSION_END(dateTime, INTERVAL '10' SECOND)
FROM bid GROUP BY bidder, SESSION(dateTime, INTERVAL '10' SECOND);
