-- The highest bids of each ten seconds, with the bid itself.
CREATE TABLE sink (auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3),
  extra VARCHAR) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT B.auction, B.price, B.bidder, B.dateTime, B.extra
FROM bid AS B JOIN (
  SELECT MAX(price) AS most, window_end AS dateTime
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end) AS highest
ON B.price = highest.most
WHERE B.dateTime BETWEEN highest.dateTime - INTERVAL '10' SECOND AND highest.dateTime;
