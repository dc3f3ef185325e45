-- tables: nexmark
-- note: among equal prices the first to arrive stays, so the order of arrival must be one
-- mini-batch: both
SELECT auction, bidder, price, channel, url, CAST(dateTime AS STRING) AS t, extra, rank_number FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number FROM bid)
WHERE rank_number <= 10;
