-- Three parts of a URL.
CREATE TABLE sink (auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, dir1 VARCHAR,
  dir2 VARCHAR, dir3 VARCHAR) WITH ('connector' = 'blackhole');
INSERT INTO sink
SELECT auction, bidder, price, channel,
       SPLIT_INDEX(url, '/', 3), SPLIT_INDEX(url, '/', 4), SPLIT_INDEX(url, '/', 5)
FROM bid;
