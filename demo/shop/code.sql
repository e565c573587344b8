-- Copyright: (c) 2026, dba.mariabackup contributors
-- GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The database of an online shop, part 3 of 3: views, routines, triggers, events, accounts.

SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci;
SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';
SET SESSION time_zone = '+00:00';
USE shop;

DROP USER IF EXISTS shop_app@localhost, shop_report@'%';
DROP ROLE IF EXISTS shop_reader;

DELIMITER //

CREATE FUNCTION gross_price(net DECIMAL(12,2), in_country CHAR(2), in_class VARCHAR(10)) RETURNS DECIMAL(12,2) READS SQL DATA
  COMMENT 'Net price plus the tax of a country'
BEGIN
  DECLARE rate DECIMAL(5,2) DEFAULT 0;
  SELECT percent INTO rate FROM tax_rate WHERE country = in_country AND class = in_class;
  RETURN ROUND(net * (1 + rate / 100), 2);
END //

CREATE FUNCTION customer_value(in_customer INT UNSIGNED) RETURNS DECIMAL(14,2) READS SQL DATA
  RETURN (SELECT COALESCE(SUM(total), 0) FROM orders WHERE customer = in_customer AND status <> 'cancelled') //

CREATE PROCEDURE cancel_order(IN in_order INT UNSIGNED)
  MODIFIES SQL DATA COMMENT 'Cancels an order and gives its goods back to the stock'
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    ROLLBACK;
    RESIGNAL;
  END;
  START TRANSACTION;
  UPDATE orders SET status = 'cancelled' WHERE id = in_order AND status IN ('new', 'paid');
  IF ROW_COUNT() = 0 THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'This order cannot be cancelled any more';
  END IF;
  UPDATE stock s JOIN order_item i ON i.product = s.product SET s.quantity = s.quantity + i.quantity
    WHERE i.order_id = in_order AND s.warehouse = 1;
  COMMIT;
END //

CREATE PROCEDURE place_order(IN in_customer INT UNSIGNED, IN in_product INT UNSIGNED, IN in_quantity SMALLINT UNSIGNED, OUT new_order INT UNSIGNED)
  MODIFIES SQL DATA
BEGIN
  DECLARE unit DECIMAL(10,2);
  SELECT net_price INTO unit FROM product WHERE id = in_product AND active;
  START TRANSACTION;
  INSERT INTO orders (customer, placed, total) VALUES (in_customer, NOW(), unit * in_quantity);
  SET new_order = LAST_INSERT_ID();
  INSERT INTO order_item (order_id, line, product, quantity, price) VALUES (new_order, 1, in_product, in_quantity, unit);
  UPDATE stock SET quantity = quantity - in_quantity WHERE warehouse = 1 AND product = in_product;
  COMMIT;
END //

CREATE TRIGGER orders_update AFTER UPDATE ON orders FOR EACH ROW
BEGIN
  IF OLD.status <> NEW.status THEN
    INSERT INTO audit_log (account, what) VALUES (CURRENT_USER(), CONCAT('order ', NEW.id, ': ', OLD.status, ' -> ', NEW.status));
  END IF;
END //

CREATE TRIGGER orders_delete BEFORE DELETE ON orders FOR EACH ROW
  INSERT INTO audit_log (account, what) VALUES (CURRENT_USER(), CONCAT('order ', OLD.id, ' deleted')) //

CREATE TRIGGER customer_insert BEFORE INSERT ON customer FOR EACH ROW SET NEW.email = LOWER(TRIM(NEW.email)) //

CREATE TRIGGER product_price AFTER UPDATE ON product FOR EACH ROW
BEGIN
  IF OLD.net_price <> NEW.net_price THEN
    UPDATE price SET amount = NEW.net_price WHERE product = NEW.id AND currency = 'EUR';
  END IF;
END //

CREATE EVENT forget_carts ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 03:00:00' COMMENT 'Carts that nobody touched for a month'
  DO DELETE FROM cart WHERE touched < NOW() - INTERVAL 30 DAY //

CREATE EVENT month_report ON SCHEDULE EVERY 1 MONTH STARTS '2037-01-01 04:00:00' ON COMPLETION PRESERVE DISABLE
  DO INSERT INTO audit_log (account, what) SELECT 'report', CONCAT(COUNT(*), ' orders') FROM orders //

DELIMITER ;

CREATE VIEW order_total AS
  SELECT o.id, o.placed, c.full_name, o.status, SUM(i.amount) AS items, o.total FROM orders o JOIN customer c ON c.id = o.customer
  JOIN order_item i ON i.order_id = o.id GROUP BY o.id;
CREATE VIEW best_sellers AS
  SELECT p.id, p.name, SUM(i.quantity) AS sold, RANK() OVER (ORDER BY SUM(i.quantity) DESC) AS place FROM order_item i JOIN product p ON p.id = i.product GROUP BY p.id;
CREATE VIEW low_stock AS SELECT w.name AS warehouse, p.sku, p.name, s.available FROM stock s JOIN warehouse w ON w.id = s.warehouse JOIN product p ON p.id = s.product WHERE s.available < 5;
CREATE SQL SECURITY INVOKER VIEW german_customers AS
  SELECT c.id, c.full_name, a.street, a.zip, a.city FROM customer c JOIN address a ON a.customer = c.id WHERE a.country = 'DE' WITH CHECK OPTION;
CREATE VIEW turnover_by_month AS SELECT DATE_FORMAT(placed, '%Y-%m') AS month, COUNT(*) AS orders, SUM(total) AS turnover FROM orders WHERE status <> 'cancelled' GROUP BY month;

CREATE ROLE shop_reader;
GRANT SELECT, SHOW VIEW ON shop.* TO shop_reader;
GRANT SELECT ON shop_archive.* TO shop_reader;
CREATE USER shop_app@localhost IDENTIFIED VIA unix_socket;
GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON shop.* TO shop_app@localhost;
CREATE USER shop_report@'%' IDENTIFIED BY PASSWORD '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19';
GRANT shop_reader TO shop_report@'%';
SET DEFAULT ROLE shop_reader FOR shop_report@'%';
