-- tables: nexmark
-- note: the partitioned files are compared line by line
CREATE TABLE logged (auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3),
  extra STRING, dt STRING, hm STRING) PARTITIONED BY (dt, hm)
  WITH ('connector' = 'filesystem', 'path' = '$OUT', 'format' = 'csv',
    'sink.rolling-policy.rollover-interval' = '1 min',
    'sink.rolling-policy.check-interval' = '1 min');
INSERT INTO logged
SELECT auction, bidder, price, dateTime, extra, DATE_FORMAT(dateTime, 'yyyy-MM-dd'),
  DATE_FORMAT(dateTime, 'HH:mm')
FROM bid;
