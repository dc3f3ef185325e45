-- tables: bids
-- note: late rows meet what has come by then, so two readers have no one answer
SELECT a.id AS a, b.id AS b FROM (SELECT * FROM bids WHERE price < 500) a
FULL JOIN (SELECT * FROM bids WHERE price >= 500) b
ON a.name = b.name AND a.ts BETWEEN b.ts - INTERVAL '3' SECOND AND b.ts + INTERVAL '1' SECOND;
