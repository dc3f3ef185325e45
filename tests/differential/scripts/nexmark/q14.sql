-- tables: nexmark
-- parallelism: 1 2
-- note: the benchmark counts the letter c with a Java function; here two built-in ones do
SELECT auction, bidder, CAST(0.908 * price AS STRING) AS price,
  CASE WHEN HOUR(dateTime) >= 8 AND HOUR(dateTime) <= 18 THEN 'dayTime'
    WHEN HOUR(dateTime) <= 6 OR HOUR(dateTime) >= 20 THEN 'nightTime'
    ELSE 'otherTime' END AS bidTimeType,
  CAST(dateTime AS STRING) AS t, extra,
  CHAR_LENGTH(extra) - CHAR_LENGTH(REPLACE(extra, 'c', '')) AS c_counts
FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000;
