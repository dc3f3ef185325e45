-- tables: nexmark
-- parallelism: 1 2
-- mini-batch: both
SELECT auction, bidder, price, channel, url, CAST(dateTime AS STRING) AS t, extra FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC) AS rank_number
  FROM bid)
WHERE rank_number <= 1;
