-- Copyright: (c) 2026, dba.mariabackup contributors
-- GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The database of an online shop, part 1 of 3: tables and sequences. Load in this order, as root:
-- schema.sql, fill.sql (the rows), code.sql (views, routines, triggers, events, accounts).
-- For MariaDB 10.5 and newer. Loading it again starts clean.

SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci;
SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_UNSIGNED_SUBTRACTION';

DROP DATABASE IF EXISTS shop;
DROP DATABASE IF EXISTS shop_archive;
CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci COMMENT 'Online shop';
CREATE DATABASE shop_archive CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci COMMENT 'Closed years and logs';
USE shop;

-- Reference data ------------------------------------------------------------------------------------------------

CREATE TABLE country (
  code CHAR(2) NOT NULL PRIMARY KEY, name VARCHAR(60) NOT NULL, currency CHAR(3) NOT NULL, in_eu BOOLEAN NOT NULL DEFAULT TRUE
) ENGINE=InnoDB;

CREATE TABLE tax_rate (
  country CHAR(2) NOT NULL, class ENUM('standard', 'reduced', 'zero') NOT NULL, percent DECIMAL(5,2) NOT NULL,
  PRIMARY KEY (country, class), CONSTRAINT tax_rate_country FOREIGN KEY (country) REFERENCES country (code)
) ENGINE=InnoDB;

CREATE TABLE exchange_rate (
  day DATE NOT NULL, currency CHAR(3) NOT NULL, rate DECIMAL(12,6) NOT NULL
) ENGINE=CSV;

-- Catalogue -----------------------------------------------------------------------------------------------------

CREATE TABLE category (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, parent INT UNSIGNED, name VARCHAR(80) NOT NULL, path VARCHAR(200) NOT NULL,
  UNIQUE KEY (path), CONSTRAINT category_parent FOREIGN KEY (parent) REFERENCES category (id)
) ENGINE=InnoDB;

CREATE TABLE supplier (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100) NOT NULL, country CHAR(2) NOT NULL, terms JSON NOT NULL,
  days_to_pay INT AS (JSON_VALUE(terms, '$.days')) STORED, KEY (days_to_pay),
  CONSTRAINT supplier_country FOREIGN KEY (country) REFERENCES country (code)
) ENGINE=InnoDB;

CREATE TABLE product (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, category INT UNSIGNED NOT NULL, sku CHAR(12) CHARACTER SET ascii NOT NULL,
  name VARCHAR(120) NOT NULL, net_price DECIMAL(10,2) NOT NULL, tax_class ENUM('standard', 'reduced', 'zero') NOT NULL DEFAULT 'standard',
  attributes JSON NOT NULL, colour VARCHAR(20) AS (JSON_VALUE(attributes, '$.colour')) VIRTUAL,
  active BOOLEAN NOT NULL DEFAULT TRUE, created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE KEY (sku), KEY (colour), KEY (category, active, net_price), CHECK (net_price >= 0),
  CONSTRAINT product_category FOREIGN KEY (category) REFERENCES category (id)
) ENGINE=InnoDB;

CREATE TABLE product_text (
  product INT UNSIGNED NOT NULL, language CHAR(2) NOT NULL, title VARCHAR(150) NOT NULL, description TEXT NOT NULL,
  PRIMARY KEY (product, language), FULLTEXT KEY words (title, description),
  CONSTRAINT product_text_product FOREIGN KEY (product) REFERENCES product (id) ON DELETE CASCADE
) ENGINE=InnoDB;

CREATE TABLE product_image (
  product INT UNSIGNED NOT NULL, number TINYINT UNSIGNED NOT NULL, mime VARCHAR(30) NOT NULL, picture MEDIUMBLOB NOT NULL,
  PRIMARY KEY (product, number), CONSTRAINT product_image_product FOREIGN KEY (product) REFERENCES product (id) ON DELETE CASCADE
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE product_supplier (
  product INT UNSIGNED NOT NULL, supplier INT UNSIGNED NOT NULL, buy_price DECIMAL(10,2) NOT NULL, lead_days SMALLINT NOT NULL,
  PRIMARY KEY (product, supplier), KEY (supplier),
  CONSTRAINT ps_product FOREIGN KEY (product) REFERENCES product (id), CONSTRAINT ps_supplier FOREIGN KEY (supplier) REFERENCES supplier (id)
) ENGINE=InnoDB;

-- Every price that a product ever had.
CREATE TABLE price (
  product INT UNSIGNED NOT NULL, currency CHAR(3) NOT NULL, amount DECIMAL(10,2) NOT NULL, PRIMARY KEY (product, currency)
) ENGINE=InnoDB WITH SYSTEM VERSIONING;

CREATE TABLE related_product (
  product INT UNSIGNED NOT NULL, other INT UNSIGNED NOT NULL, score FLOAT NOT NULL, PRIMARY KEY (product, other)
) ENGINE=Aria TRANSACTIONAL=1;

-- Stock ---------------------------------------------------------------------------------------------------------

CREATE TABLE warehouse (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60) NOT NULL, place POINT NOT NULL, SPATIAL KEY (place)
) ENGINE=InnoDB;

CREATE TABLE stock (
  warehouse SMALLINT UNSIGNED NOT NULL, product INT UNSIGNED NOT NULL, quantity INT NOT NULL, reserved INT NOT NULL DEFAULT 0,
  available INT AS (quantity - reserved) VIRTUAL, PRIMARY KEY (warehouse, product), KEY (product), KEY (available),
  CONSTRAINT stock_warehouse FOREIGN KEY (warehouse) REFERENCES warehouse (id),
  CONSTRAINT stock_product FOREIGN KEY (product) REFERENCES product (id), CHECK (reserved >= 0)
) ENGINE=InnoDB;

CREATE TABLE stock_movement (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, moved DATE NOT NULL, warehouse SMALLINT UNSIGNED NOT NULL, product INT UNSIGNED NOT NULL,
  quantity INT NOT NULL, reason ENUM('purchase', 'sale', 'return', 'count') NOT NULL, PRIMARY KEY (id, moved), KEY (product)
) ENGINE=InnoDB PARTITION BY RANGE COLUMNS (moved) (
  PARTITION p2023 VALUES LESS THAN ('2024-01-01'), PARTITION p2024 VALUES LESS THAN ('2025-01-01'),
  PARTITION p2025 VALUES LESS THAN ('2026-01-01'), PARTITION later VALUES LESS THAN (MAXVALUE));

-- Customers -----------------------------------------------------------------------------------------------------

CREATE TABLE customer (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(120) NOT NULL, first_name VARCHAR(40) NOT NULL,
  last_name VARCHAR(40) NOT NULL, password_hash CHAR(64) CHARACTER SET ascii NOT NULL, language CHAR(2) NOT NULL DEFAULT 'en',
  newsletter BOOLEAN NOT NULL DEFAULT FALSE, joined DATETIME NOT NULL,
  full_name VARCHAR(81) AS (CONCAT(first_name, ' ', last_name)) VIRTUAL, UNIQUE KEY (email), KEY (last_name, first_name), KEY (joined)
) ENGINE=InnoDB;

CREATE TABLE address (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT UNSIGNED NOT NULL, kind ENUM('billing', 'shipping') NOT NULL,
  street VARCHAR(100) NOT NULL, zip VARCHAR(10) NOT NULL, city VARCHAR(60) NOT NULL, country CHAR(2) NOT NULL,
  KEY (customer), KEY (zip), KEY (country),
  CONSTRAINT address_customer FOREIGN KEY (customer) REFERENCES customer (id) ON DELETE CASCADE,
  CONSTRAINT address_country FOREIGN KEY (country) REFERENCES country (code)
) ENGINE=InnoDB;

CREATE TABLE wish_list (
  customer INT UNSIGNED NOT NULL, product INT UNSIGNED NOT NULL, added DATE NOT NULL, PRIMARY KEY (customer, product)
) ENGINE=InnoDB PARTITION BY HASH (customer) PARTITIONS 4;

CREATE TABLE review (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, product INT UNSIGNED NOT NULL, customer INT UNSIGNED NOT NULL, stars TINYINT NOT NULL,
  words TEXT NOT NULL, written DATETIME NOT NULL, KEY (product, stars), KEY (customer), CHECK (stars BETWEEN 1 AND 5),
  CONSTRAINT review_product FOREIGN KEY (product) REFERENCES product (id), CONSTRAINT review_customer FOREIGN KEY (customer) REFERENCES customer (id)
) ENGINE=InnoDB;

-- Sales ---------------------------------------------------------------------------------------------------------

CREATE TABLE coupon (
  code VARCHAR(20) NOT NULL PRIMARY KEY, percent TINYINT UNSIGNED NOT NULL, valid_from DATE NOT NULL, valid_to DATE NOT NULL,
  PERIOD FOR validity (valid_from, valid_to)
) ENGINE=InnoDB;

CREATE TABLE orders (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT UNSIGNED NOT NULL, placed DATETIME NOT NULL,
  status ENUM('new', 'paid', 'sent', 'done', 'cancelled') NOT NULL DEFAULT 'new', currency CHAR(3) NOT NULL DEFAULT 'EUR',
  total DECIMAL(12,2) NOT NULL DEFAULT 0, coupon VARCHAR(20), KEY (customer, placed), KEY (placed), KEY (status), KEY (coupon),
  CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customer (id), CONSTRAINT orders_coupon FOREIGN KEY (coupon) REFERENCES coupon (code)
) ENGINE=InnoDB;

CREATE TABLE order_item (
  order_id INT UNSIGNED NOT NULL, line SMALLINT UNSIGNED NOT NULL, product INT UNSIGNED NOT NULL, quantity SMALLINT UNSIGNED NOT NULL,
  price DECIMAL(10,2) NOT NULL, amount DECIMAL(12,2) AS (quantity * price) VIRTUAL, PRIMARY KEY (order_id, line), KEY (product),
  CONSTRAINT order_item_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE,
  CONSTRAINT order_item_product FOREIGN KEY (product) REFERENCES product (id)
) ENGINE=InnoDB;

CREATE TABLE payment (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, order_id INT UNSIGNED NOT NULL, method ENUM('card', 'transfer', 'invoice', 'wallet') NOT NULL,
  amount DECIMAL(12,2) NOT NULL, reference CHAR(32) CHARACTER SET ascii NOT NULL, received DATETIME(3) NOT NULL, KEY (order_id), UNIQUE KEY (reference),
  CONSTRAINT payment_order FOREIGN KEY (order_id) REFERENCES orders (id)
) ENGINE=InnoDB;

CREATE TABLE shipment (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, order_id INT UNSIGNED NOT NULL, warehouse SMALLINT UNSIGNED NOT NULL, carrier VARCHAR(20) NOT NULL,
  tracking CHAR(20) CHARACTER SET ascii NOT NULL, sent DATETIME NOT NULL, delivered DATETIME, KEY (order_id), KEY (tracking),
  CONSTRAINT shipment_order FOREIGN KEY (order_id) REFERENCES orders (id), CONSTRAINT shipment_warehouse FOREIGN KEY (warehouse) REFERENCES warehouse (id)
) ENGINE=InnoDB;

CREATE SEQUENCE invoice_number START WITH 20260001 CACHE 100;

CREATE TABLE invoice (
  number BIGINT NOT NULL DEFAULT (NEXT VALUE FOR invoice_number) PRIMARY KEY, order_id INT UNSIGNED NOT NULL, issued DATE NOT NULL, document MEDIUMTEXT NOT NULL,
  KEY (order_id)
) ENGINE=InnoDB PAGE_COMPRESSED=1;

CREATE TABLE cart (
  session CHAR(32) CHARACTER SET ascii NOT NULL, product INT UNSIGNED NOT NULL, quantity SMALLINT NOT NULL, touched TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (session, product)
) ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;

-- Logs and closed years, in engines that people still have --------------------------------------------------------

CREATE TABLE search_log (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, at DATETIME NOT NULL, words VARCHAR(100) NOT NULL, hits INT NOT NULL, KEY (at), FULLTEXT KEY (words)
) ENGINE=MyISAM;

CREATE TABLE audit_log (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, account VARCHAR(80) NOT NULL, what VARCHAR(200) NOT NULL, KEY (at)
) ENGINE=Aria TRANSACTIONAL=1;

CREATE TABLE shop_archive.access_log (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, at DATETIME NOT NULL, path VARCHAR(120) NOT NULL, status SMALLINT NOT NULL, agent CHAR(32) NOT NULL, KEY (at)
) ENGINE=Aria TRANSACTIONAL=0 ROW_FORMAT=PAGE;

CREATE TABLE shop_archive.orders_2021 (id INT UNSIGNED NOT NULL, customer INT UNSIGNED NOT NULL, total DECIMAL(12,2) NOT NULL, KEY (id)) ENGINE=MyISAM;
CREATE TABLE shop_archive.orders_2022 (id INT UNSIGNED NOT NULL, customer INT UNSIGNED NOT NULL, total DECIMAL(12,2) NOT NULL, KEY (id)) ENGINE=MyISAM;
CREATE TABLE shop_archive.orders_closed (id INT UNSIGNED NOT NULL, customer INT UNSIGNED NOT NULL, total DECIMAL(12,2) NOT NULL, KEY (id))
  ENGINE=MERGE UNION=(shop_archive.orders_2021, shop_archive.orders_2022) INSERT_METHOD=LAST;
