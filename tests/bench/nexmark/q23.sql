-- Bids with their bidder and with all that the bidder sells: a join of three growing tables.
CREATE TABLE sink (bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, bid_extra VARCHAR,
  person_id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR,
  state VARCHAR, person_extra VARCHAR, itemName VARCHAR, description VARCHAR, initialBid BIGINT,
  reserve BIGINT, auction_dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT,
  category BIGINT, auction_extra VARCHAR) WITH ('connector' = 'blackhole');
INSERT INTO sink
SELECT B.bidder, B.price, B.channel, B.url, B.extra, P.id, P.name, P.emailAddress, P.creditCard,
       P.city, P.state, P.extra, A.itemName, A.description, A.initialBid, A.reserve, A.dateTime,
       A.expires, A.seller, A.category, A.extra
FROM bid AS B JOIN person AS P ON P.id = B.bidder JOIN auction AS A ON A.seller = B.bidder;
