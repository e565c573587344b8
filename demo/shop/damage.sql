-- Copyright: (c) 2026, dba.mariabackup contributors
-- GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A bad day in the shop: what the restore of the demo has to undo.

SET NAMES utf8mb4;
USE shop;
UPDATE product SET net_price = net_price * 10;
DELETE FROM review WHERE id % 2 = 0;
SET SESSION foreign_key_checks = 0;
DROP TABLE payment, order_item;
TRUNCATE TABLE search_log;
DROP VIEW best_sellers;
DROP PROCEDURE cancel_order;
DROP TRIGGER orders_delete;
ALTER TABLE customer DROP COLUMN password_hash;
UPDATE customer SET email = CONCAT('x', id), newsletter = TRUE;
DROP DATABASE shop_archive;
CREATE TABLE looked_like_a_good_idea (id INT NOT NULL PRIMARY KEY) ENGINE=InnoDB;
DROP USER shop_report@'%';
