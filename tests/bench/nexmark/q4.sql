-- The average of the winning bids of each category: join, maximum, average of maxima.
CREATE TABLE sink (id BIGINT, final BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT category, AVG(final)
FROM (
  SELECT MAX(B.price) AS final, A.category AS category
  FROM auction AS A JOIN bid AS B ON A.id = B.auction
  WHERE B.dateTime BETWEEN A.dateTime AND A.expires
  GROUP BY A.id, A.category)
GROUP BY category;
