-- tables: nexmark
-- parallelism: 1 2
-- mini-batch: both
SELECT auction, bidder, price, CAST(dateTime AS STRING) AS t, rn FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, dateTime) AS rn FROM bid)
WHERE rn <= 10;
