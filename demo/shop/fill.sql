-- Copyright: (c) 2026, dba.mariabackup contributors
-- GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The database of an online shop, part 2 of 3: the rows. Each is computed from its number, so every load gives the same.
-- The binary log is left out, because it would only double the bytes to write.

SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci;
SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_UNSIGNED_SUBTRACTION';
SET SESSION time_zone = '+00:00';
SET SESSION timestamp = UNIX_TIMESTAMP('2026-01-15 08:00:00');
SET SESSION sql_log_bin = 0;
SET SESSION foreign_key_checks = 0;
SET SESSION unique_checks = 0;
SET SESSION group_concat_max_len = 16777216;
USE shop;

INSERT INTO country VALUES ('AT', 'Österreich', 'EUR', 1), ('CH', 'Schweiz', 'CHF', 0), ('CZ', 'Česko', 'CZK', 1), ('DE', 'Deutschland', 'EUR', 1),
  ('DK', 'Danmark', 'DKK', 1), ('ES', 'España', 'EUR', 1), ('FI', 'Suomi', 'EUR', 1), ('FR', 'France', 'EUR', 1), ('GR', 'Ελλάδα', 'EUR', 1),
  ('IT', 'Italia', 'EUR', 1), ('JP', '日本', 'JPY', 0), ('NL', 'Nederland', 'EUR', 1), ('NO', 'Norge', 'NOK', 0), ('PL', 'Polska', 'PLN', 1),
  ('PT', 'Portugal', 'EUR', 1), ('SE', 'Sverige', 'SEK', 1);
INSERT INTO tax_rate SELECT code, 'standard', 19 + CRC32(code) % 7 FROM country;
INSERT INTO tax_rate SELECT code, 'reduced', 5 + CRC32(code) % 5 FROM country;
INSERT INTO tax_rate SELECT code, 'zero', 0 FROM country;
INSERT INTO exchange_rate
  SELECT '2024-01-01' + INTERVAL d.seq DAY, c.currency, ROUND(1 + CRC32(CONCAT(c.currency, d.seq)) % 10000 / 10000, 6)
  FROM seq_0_to_700 d, (SELECT DISTINCT currency FROM country WHERE currency <> 'EUR') c;

INSERT INTO category SELECT seq, IF(seq <= 10, NULL, 1 + (seq - 1) % 10), CONCAT(ELT(1 + seq % 6, 'Garden', 'Kitchen', 'Books', 'Music', 'Tools', 'Toys'), ' ', seq),
  CONCAT('/', IF(seq <= 10, '', CONCAT(1 + (seq - 1) % 10, '/')), seq) FROM seq_1_to_120;
INSERT INTO supplier (id, name, country, terms)
  SELECT seq, CONCAT(ELT(1 + seq % 5, 'Müller', 'Dupont', 'Rossi', 'Novák', 'Jørgensen'), ' & Co. ', seq),
         ELT(1 + seq % 6, 'DE', 'FR', 'IT', 'CZ', 'DK', 'NL'), JSON_OBJECT('days', 10 + seq % 50, 'discount', seq % 4) FROM seq_1_to_300;
INSERT INTO product (id, category, sku, name, net_price, tax_class, attributes, active)
  SELECT seq, 1 + CRC32(CONCAT('c', seq)) % 120, UPPER(LEFT(MD5(seq), 12)),
         CONCAT(ELT(1 + CRC32(CONCAT('n', seq)) % 6, 'Lamp', 'Kettle', 'Novel', 'Guitar', 'Hammer', 'Puzzle'), ' ', UPPER(LEFT(SHA1(seq), 5))),
         1 + CRC32(CONCAT('p', seq)) % 50000 / 100, ELT(1 + seq % 3, 'standard', 'reduced', 'standard'),
         JSON_OBJECT('colour', ELT(1 + seq % 5, 'red', 'green', 'blue', 'weiß', 'black'), 'weight', seq % 900), seq % 20 <> 0 FROM seq_1_to_20000;
INSERT INTO product_text
  SELECT p.seq, l.language, CONCAT('Product ', p.seq, ' ', l.language), CONCAT('Description ', REPEAT(CONCAT(ELT(1 + p.seq % 4, 'solid ', 'light ', 'famous ', 'new '), p.seq % 97, ' '), 12))
  FROM seq_1_to_20000 p, (SELECT 'en' AS language UNION ALL SELECT 'de') l;
SET @picture = UNHEX((SELECT GROUP_CONCAT(SHA2(seq, 512) ORDER BY seq SEPARATOR '') FROM seq_1_to_64));
INSERT INTO product_image SELECT seq, 1, 'image/webp', CONCAT(UNHEX(SHA2(seq, 512)), RIGHT(@picture, 500 + seq * 37 % 3500)) FROM seq_1_to_20000;
INSERT INTO product_supplier SELECT p.seq, 1 + (p.seq * 7 + n.seq * 101) % 300, 1 + CRC32(CONCAT('b', p.seq, n.seq)) % 30000 / 100, 1 + (p.seq + n.seq) % 30
  FROM seq_1_to_20000 p, seq_1_to_2 n;
INSERT INTO price SELECT id, 'EUR', net_price FROM product;
SET SESSION timestamp = UNIX_TIMESTAMP('2026-01-15 09:00:00');
UPDATE price SET amount = amount + 1 WHERE product % 5 = 0;
INSERT INTO related_product SELECT p.seq, 1 + (p.seq + n.seq * 977) % 20000, CRC32(CONCAT(p.seq, n.seq)) / 4294967295 FROM seq_1_to_20000 p, seq_1_to_5 n;

INSERT INTO warehouse VALUES (1, 'Hamburg', POINT(9.99, 53.55)), (2, 'Lyon', POINT(4.84, 45.76)), (3, 'Brno', POINT(16.61, 49.19)), (4, 'Malmö', POINT(13.0, 55.6));
INSERT INTO stock (warehouse, product, quantity, reserved) SELECT w.id, p.seq, CRC32(CONCAT(w.id, p.seq)) % 500, p.seq % 7 FROM warehouse w, seq_1_to_20000 p;
INSERT INTO stock_movement (id, moved, warehouse, product, quantity, reason)
  SELECT seq, '2023-01-01' + INTERVAL seq DIV 180 DAY, 1 + seq % 4, 1 + CRC32(CONCAT('m', seq)) % 20000, seq % 90 - 30, ELT(1 + seq % 4, 'purchase', 'sale', 'return', 'count')
  FROM seq_1_to_200000;

INSERT INTO customer (id, email, first_name, last_name, password_hash, language, newsletter, joined)
  SELECT seq, CONCAT('customer', seq, '@example.org'), ELT(1 + seq % 8, 'Anna', 'Björn', 'Chloé', 'Dávid', 'Eva', 'François', 'Gül', 'Łukasz'),
         CONCAT(ELT(1 + CRC32(seq) % 7, 'Weiß', 'Smith', 'García', 'Novák', 'Rossi', 'Åkesson', 'O''Brien'), ' ', seq % 1000), SHA2(seq, 256), ELT(1 + seq % 3, 'en', 'de', 'fr'),
         seq % 3 = 0, '2020-01-01' + INTERVAL seq * 20 MINUTE FROM seq_1_to_100000;
INSERT INTO address (id, customer, kind, street, zip, city, country)
  SELECT seq, 1 + seq % 100000, IF(seq <= 100000, 'billing', 'shipping'), CONCAT(ELT(1 + seq % 4, 'Hauptstraße ', 'Rue de la Gare ', 'Via Roma ', 'Storgatan '), 1 + seq % 200),
         LPAD(CRC32(seq) % 99999, 5, '0'), ELT(1 + seq % 6, 'München', 'Paris', 'Milano', 'Göteborg', 'Kraków', 'Αθήνα'), ELT(1 + seq % 6, 'DE', 'FR', 'IT', 'SE', 'PL', 'GR')
  FROM seq_1_to_130000;
INSERT INTO wish_list SELECT c.seq, 1 + (c.seq * 31 + n.seq * 7001) % 20000, '2025-01-01' + INTERVAL c.seq % 365 DAY FROM seq_1_to_30000 c, seq_1_to_2 n;
INSERT INTO review (id, product, customer, stars, words, written)
  SELECT seq, 1 + CRC32(CONCAT('r', seq)) % 20000, 1 + CRC32(CONCAT('s', seq)) % 100000, 1 + seq % 5,
         CONCAT(ELT(1 + seq % 5, 'Never again 😡', 'Hm. ', 'Okay. ', 'Good! ', 'Great 😀 '), REPEAT(CONCAT(MD5(seq), ' '), 2 + seq % 6)), '2024-01-01' + INTERVAL seq * 10 MINUTE
  FROM seq_1_to_60000;

INSERT INTO coupon SELECT CONCAT('SAVE', seq), 5 + seq % 20, '2025-01-01' + INTERVAL seq DAY, '2025-02-01' + INTERVAL seq DAY FROM seq_1_to_200;
INSERT INTO orders (id, customer, placed, status, total, coupon)
  SELECT seq, 1 + CRC32(CONCAT('o', seq)) % 100000, '2023-01-01' + INTERVAL seq * 8 MINUTE, ELT(1 + seq % 10 DIV 2, 'done', 'done', 'done', 'sent', 'paid'), 0,
         IF(seq % 25, NULL, CONCAT('SAVE', 1 + seq % 200)) FROM seq_1_to_200000;
INSERT INTO order_item (order_id, line, product, quantity, price)
  SELECT o.seq, n.seq, 1 + CRC32(CONCAT('i', o.seq, n.seq)) % 20000, 1 + (o.seq + n.seq) % 4, 1 + CRC32(CONCAT('q', o.seq, n.seq)) % 20000 / 100
  FROM seq_1_to_200000 o, seq_1_to_3 n WHERE n.seq <= 1 + o.seq % 3 ORDER BY o.seq, n.seq;
UPDATE orders o JOIN (SELECT order_id, SUM(quantity * price) AS total FROM order_item GROUP BY order_id) i ON i.order_id = o.id SET o.total = i.total;
INSERT INTO payment (id, order_id, method, amount, reference, received)
  SELECT id, id, ELT(1 + id % 4, 'card', 'transfer', 'invoice', 'wallet'), total, MD5(id), placed + INTERVAL id % 900 MINUTE FROM orders;
INSERT INTO shipment (id, order_id, warehouse, carrier, tracking, sent, delivered)
  SELECT id, id, 1 + id % 4, ELT(1 + id % 3, 'Post', 'Parcel', 'Bike'), UPPER(LEFT(SHA1(id), 20)), placed + INTERVAL 1 DAY, IF(status = 'done', placed + INTERVAL 3 DAY, NULL)
  FROM orders WHERE status IN ('sent', 'done');
INSERT INTO invoice (order_id, issued, document)
  SELECT id, DATE(placed), CONCAT('Invoice for order ', id, '\n', REPEAT(CONCAT('line of an invoice, with an amount of ', total, '\n'), 12)) FROM orders WHERE id <= 15000;
INSERT INTO cart (session, product, quantity) SELECT MD5(seq DIV 3), 1 + seq % 20000, 1 + seq % 5 FROM seq_1_to_20000;

INSERT INTO search_log (id, at, words, hits) SELECT seq, '2025-06-01' + INTERVAL seq MINUTE, CONCAT(ELT(1 + seq % 6, 'red lamp ', 'kettle ', 'guitar strings ', 'tools ', 'toy ', 'weiße Tasse '), seq % 500), seq % 300
  FROM seq_1_to_40000;
INSERT INTO audit_log (id, at, account, what) SELECT seq, '2025-01-01' + INTERVAL seq * 5 MINUTE, CONCAT('clerk', seq % 20), CONCAT('changed order ', seq * 3) FROM seq_1_to_60000;
INSERT INTO shop_archive.access_log SELECT seq, '2025-01-01' + INTERVAL seq * 2 MINUTE, CONCAT('/product/', CRC32(seq) % 20000), ELT(1 + seq % 5, 200, 200, 304, 404, 200), MD5(seq % 900) FROM seq_1_to_150000;
INSERT INTO shop_archive.orders_2021 SELECT seq, 1 + seq % 100000, seq % 9000 / 10 FROM seq_1_to_50000;
INSERT INTO shop_archive.orders_2022 SELECT 50000 + seq, 1 + seq % 100000, seq % 9000 / 10 FROM seq_1_to_60000;
