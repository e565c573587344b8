-- Copyright: (c) 2026, dba.mariabackup contributors
-- GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- One of everything that a restore has to bring back unchanged. Load it as root: mariadb < everything.sql
-- Loading it again starts clean. Every row is computed from a sequence number and the clock of the session is
-- fixed, so that two servers of the same version hold the same data. Objects of a newer server are in
-- version comments; ARCHIVE tables are made where the plugin can be loaded.

SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci;
SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_UNSIGNED_SUBTRACTION';
SET SESSION time_zone = '+00:00';
SET SESSION timestamp = UNIX_TIMESTAMP('2026-01-02 03:04:05');
SET SESSION group_concat_max_len = 16777216;
SET SESSION max_recursive_iterations = 1000000;
SET SESSION foreign_key_checks = 0;

DROP DATABASE IF EXISTS dba_innodb;
DROP DATABASE IF EXISTS dba_engines;
DROP DATABASE IF EXISTS dba_code;
DROP DATABASE IF EXISTS dba_types;
DROP DATABASE IF EXISTS dba_history;
DROP DATABASE IF EXISTS dba_empty;
DROP DATABASE IF EXISTS dba_latin1;
DROP DATABASE IF EXISTS dba_new;
DROP DATABASE IF EXISTS `dba_ümläut`;
DROP DATABASE IF EXISTS `dba_back``quote`;
DROP DATABASE IF EXISTS `dba_odd näme.with quotes 'x' "y" \ ; % $(z) * 表`;
DROP SERVER IF EXISTS dba_server;

CREATE DATABASE dba_innodb CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE DATABASE dba_engines CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci COMMENT 'Other engines';
CREATE DATABASE dba_code CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
CREATE DATABASE dba_types CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE DATABASE dba_history CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
CREATE DATABASE dba_empty CHARACTER SET utf8mb4 COLLATE utf8mb4_czech_ci COMMENT 'Nothing in here, it''s empty';
CREATE DATABASE dba_latin1 CHARACTER SET latin1 COLLATE latin1_german2_ci;
CREATE DATABASE `dba_ümläut` CHARACTER SET utf8mb4 COLLATE utf8mb4_german2_ci;
CREATE DATABASE `dba_back``quote` CHARACTER SET utf8mb4;
CREATE DATABASE `dba_odd näme.with quotes 'x' "y" \ ; % $(z) * 表` CHARACTER SET utf8mb4;

SET SESSION foreign_key_checks = 1;

-- InnoDB: row formats ------------------------------------------------------------------------------------------

USE dba_innodb;

CREATE TABLE rf_redundant (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c CHAR(60) NOT NULL, v VARCHAR(200), b BLOB,
  KEY (k), KEY (v(20))
) ENGINE=InnoDB ROW_FORMAT=REDUNDANT;
CREATE TABLE rf_compact LIKE rf_redundant;
ALTER TABLE rf_compact ROW_FORMAT=COMPACT;
CREATE TABLE rf_dynamic LIKE rf_redundant;
ALTER TABLE rf_dynamic ROW_FORMAT=DYNAMIC;
CREATE TABLE rf_compressed LIKE rf_redundant;
ALTER TABLE rf_compressed ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;
CREATE TABLE rf_compressed_4k LIKE rf_redundant;
ALTER TABLE rf_compressed_4k ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4;

INSERT INTO rf_redundant (k, c, v, b)
  SELECT seq * 7919 % 1000, SHA1(seq), IF(seq % 11, CONCAT('value ', seq, ' ', MD5(seq)), NULL),
         IF(seq % 5, REPEAT(MD5(seq), seq % 9), NULL) FROM seq_1_to_6000;
INSERT INTO rf_compact SELECT * FROM rf_redundant;
INSERT INTO rf_dynamic SELECT * FROM rf_redundant;
INSERT INTO rf_compressed SELECT * FROM rf_redundant;
INSERT INTO rf_compressed_4k SELECT * FROM rf_redundant;
DELETE FROM rf_dynamic WHERE id % 13 = 0;
UPDATE rf_compact SET v = REVERSE(v) WHERE id % 17 = 0;

-- Page compression leaves holes in the file.
CREATE TABLE page_compressed (
  id INT NOT NULL PRIMARY KEY, filler VARCHAR(1000) NOT NULL
) ENGINE=InnoDB PAGE_COMPRESSED=1 PAGE_COMPRESSION_LEVEL=6;
INSERT INTO page_compressed SELECT seq, REPEAT(CHAR(65 + seq % 26), 900) FROM seq_1_to_6000;

-- A page that lies outside of the row: 7 MB in five blobs.
CREATE TABLE large_blobs (
  id INT NOT NULL PRIMARY KEY, t LONGTEXT CHARACTER SET ascii, b LONGBLOB
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
SET @noise = (SELECT GROUP_CONCAT(SHA2(seq, 512) ORDER BY seq SEPARATOR '') FROM seq_1_to_8192);
INSERT INTO large_blobs VALUES
  (1, @noise, UNHEX(@noise)), (2, REVERSE(@noise), UNHEX(REVERSE(@noise))), (3, '', ''), (4, NULL, NULL),
  (5, REPEAT('0123456789abcdef', 65536), REPEAT(UNHEX('00FF0A0D5C27'), 300000));

-- InnoDB: partitions -------------------------------------------------------------------------------------------

CREATE TABLE part_range (
  id INT NOT NULL, sold DATE NOT NULL, amount DECIMAL(10,2) NOT NULL, PRIMARY KEY (id, sold), KEY (amount)
) ENGINE=InnoDB PARTITION BY RANGE (YEAR(sold)) (
  PARTITION p2023 VALUES LESS THAN (2024), PARTITION p2024 VALUES LESS THAN (2025),
  PARTITION `p 2025.x` VALUES LESS THAN (2026) COMMENT 'odd name', PARTITION pmax VALUES LESS THAN MAXVALUE);
INSERT INTO part_range SELECT seq, '2023-01-01' + INTERVAL seq % 1500 DAY, seq * 31 % 100000 / 100 FROM seq_1_to_5000;

CREATE TABLE part_list (
  id INT NOT NULL, country VARCHAR(2) NOT NULL, note TEXT, PRIMARY KEY (id, country)
) ENGINE=InnoDB PARTITION BY LIST COLUMNS (country) (
  PARTITION north VALUES IN ('NO', 'SE', 'FI'), PARTITION south VALUES IN ('IT', 'ES'), PARTITION rest DEFAULT);
INSERT INTO part_list SELECT seq, ELT(1 + seq % 6, 'NO', 'SE', 'FI', 'IT', 'ES', 'DE'), MD5(seq) FROM seq_1_to_2000;

CREATE TABLE part_hash (id INT NOT NULL PRIMARY KEY, v VARCHAR(40))
  ENGINE=InnoDB PARTITION BY LINEAR HASH (id) PARTITIONS 5;
INSERT INTO part_hash SELECT seq, SHA1(seq) FROM seq_1_to_3000;

CREATE TABLE part_key (id VARCHAR(36) NOT NULL PRIMARY KEY, n INT)
  ENGINE=InnoDB PARTITION BY KEY (id) PARTITIONS 4;
INSERT INTO part_key SELECT MD5(seq), seq FROM seq_1_to_2000;

CREATE TABLE part_sub (id INT NOT NULL, d DATE NOT NULL, v VARCHAR(40), KEY (id))
  ENGINE=InnoDB PARTITION BY RANGE (TO_DAYS(d)) SUBPARTITION BY HASH (id) SUBPARTITIONS 3 (
  PARTITION past VALUES LESS THAN (TO_DAYS('2025-01-01')), PARTITION now VALUES LESS THAN (TO_DAYS('2026-01-01')),
  PARTITION later VALUES LESS THAN MAXVALUE);
INSERT INTO part_sub SELECT seq, '2024-06-01' + INTERVAL seq % 900 DAY, SHA1(seq) FROM seq_1_to_3000;

-- InnoDB: columns and indexes ----------------------------------------------------------------------------------

CREATE TABLE generated (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  doc JSON NOT NULL,
  first_name VARCHAR(40) NOT NULL,
  last_name VARCHAR(40) NOT NULL,
  full_name VARCHAR(81) GENERATED ALWAYS AS (CONCAT(first_name, ' ', last_name)) VIRTUAL,
  city VARCHAR(40) GENERATED ALWAYS AS (JSON_VALUE(doc, '$.city')) STORED,
  score DOUBLE GENERATED ALWAYS AS (JSON_VALUE(doc, '$.score')) VIRTUAL,
  name_length INT AS (CHAR_LENGTH(first_name) + CHAR_LENGTH(last_name)) VIRTUAL INVISIBLE,
  KEY by_full_name (full_name), KEY by_city (city, score), UNIQUE KEY (id, name_length)
) ENGINE=InnoDB;
INSERT INTO generated (doc, first_name, last_name)
  SELECT JSON_OBJECT('city', ELT(1 + seq % 4, 'Köln', 'Łódź', '東京', 'São Paulo'), 'score', seq / 7, 'tags', JSON_ARRAY(seq, '😀')),
         CONCAT('Zoë-', seq), CONCAT('O''Neill ', MD5(seq)) FROM seq_1_to_3000;

CREATE TABLE fulltext_text (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, title VARCHAR(200), body TEXT,
  FULLTEXT KEY ft_both (title, body), FULLTEXT KEY ft_title (title)
) ENGINE=InnoDB;
INSERT INTO fulltext_text (title, body)
  SELECT CONCAT(ELT(1 + seq % 5, 'backup', 'restore', 'prepare', 'datadir', 'replica'), ' number', seq),
         CONCAT_WS(' ', 'word', MD5(seq % 50), ELT(1 + seq % 3, 'alpha', 'beta', 'gamma'), 'tail', seq)
  FROM seq_1_to_1500;
DELETE FROM fulltext_text WHERE id % 10 = 0;
UPDATE fulltext_text SET title = CONCAT(title, ' changed') WHERE id % 7 = 0;

CREATE TABLE spatial_points (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, place POINT NOT NULL, area POLYGON NOT NULL, extra GEOMETRY,
  SPATIAL KEY (place), SPATIAL KEY (area)
) ENGINE=InnoDB;
INSERT INTO spatial_points (place, area, extra)
  SELECT POINT(seq % 360 - 180, seq * 7 % 180 - 90),
         ST_GeomFromText(CONCAT('POLYGON((', seq % 100, ' 0,', seq % 100 + 3, ' 0,', seq % 100 + 3, ' 4,', seq % 100, ' 0))')),
         IF(seq % 3, ST_GeomFromText(CONCAT('LINESTRING(0 0,', seq, ' 1,2 ', seq, ')')), NULL)
  FROM seq_1_to_1000;

-- Instant DDL leaves a metadata record and rows of several shapes in one table.
CREATE TABLE instant_ddl (id INT NOT NULL PRIMARY KEY, a VARCHAR(20), gone INT, b INT NOT NULL) ENGINE=InnoDB;
INSERT INTO instant_ddl SELECT seq, CONCAT('old ', seq), seq, seq FROM seq_1_to_1500;
ALTER TABLE instant_ddl ADD COLUMN c VARCHAR(30) NOT NULL DEFAULT 'instant' AFTER id, ALGORITHM=INSTANT;
INSERT INTO instant_ddl SELECT seq, CONCAT('c ', seq), CONCAT('mid ', seq), seq, seq FROM seq_1501_to_2500;
ALTER TABLE instant_ddl DROP COLUMN gone, ALGORITHM=INSTANT;
ALTER TABLE instant_ddl ADD COLUMN d DATETIME(6) NULL, MODIFY COLUMN b INT NOT NULL FIRST, ALGORITHM=INSTANT;
INSERT INTO instant_ddl SELECT seq, seq, 'late', CONCAT('new ', seq), '2026-01-01 00:00:00.123456' FROM seq_2501_to_3000;

CREATE TABLE many_indexes (
  id BIGINT UNSIGNED NOT NULL, body TEXT, flag TINYINT(1) NOT NULL DEFAULT 0, ratio DECIMAL(20,10) DEFAULT (1 / 3),
  packed VARCHAR(2000) COMPRESSED, secret INT INVISIBLE DEFAULT 42,
  PRIMARY KEY (id), UNIQUE KEY long_unique (body) USING HASH,
  CONSTRAINT flag_is_bool CHECK (flag IN (0, 1)), CHECK (ratio >= 0)
) ENGINE=InnoDB STATS_PERSISTENT=1 STATS_AUTO_RECALC=0 COMMENT='it''s a "comment" with ünï 😀';
INSERT INTO many_indexes (id, body, flag, packed) SELECT 18446744073709550000 + seq, CONCAT(SHA2(seq, 512), seq), seq % 2, REPEAT(seq, 90) FROM seq_1_to_1000;
/*M!100801 ALTER TABLE many_indexes ADD KEY descending (flag DESC, id ASC) */;
/*M!100600 ALTER TABLE many_indexes ADD KEY not_used (ratio) IGNORED */;

CREATE TABLE no_primary_key (a INT, b VARCHAR(40)) ENGINE=InnoDB;
INSERT INTO no_primary_key SELECT seq % 100, MD5(seq % 70) FROM seq_1_to_1000;

CREATE TABLE no_rows (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v INT) ENGINE=InnoDB AUTO_INCREMENT=1000000;

CREATE TABLE auto_gap (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v INT) ENGINE=InnoDB;
INSERT INTO auto_gap (v) SELECT seq FROM seq_1_to_100;
DELETE FROM auto_gap WHERE id > 90;

-- InnoDB: foreign keys, also into another schema and to itself ---------------------------------------------------

CREATE TABLE fk_parent (
  a INT NOT NULL, b CHAR(3) NOT NULL, boss INT, PRIMARY KEY (a, b), KEY (boss),
  CONSTRAINT fk_self FOREIGN KEY (boss) REFERENCES fk_parent (a) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB;
CREATE TABLE fk_child (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, pa INT NOT NULL, pb CHAR(3) NOT NULL,
  CONSTRAINT fk_pair FOREIGN KEY (pa, pb) REFERENCES fk_parent (a, b) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB;
CREATE TABLE `dba_ümläut`.`bestellung für größe` (
  id INT NOT NULL PRIMARY KEY, `schlüssel` INT, `straße` VARCHAR(100) DEFAULT 'Königstraße 1',
  CONSTRAINT `fk_über_schema` FOREIGN KEY (`schlüssel`) REFERENCES dba_innodb.fk_child (id)
) ENGINE=InnoDB;
INSERT INTO fk_parent SELECT seq, LPAD(seq % 100, 3, 'x'), IF(seq > 1, seq DIV 2, NULL) FROM seq_1_to_500;
INSERT INTO fk_child (pa, pb) SELECT a, b FROM fk_parent, seq_1_to_3;
INSERT INTO `dba_ümläut`.`bestellung für größe` SELECT id, id, CONCAT('Straße ', id) FROM fk_child WHERE id <= 400;

-- Sequences ----------------------------------------------------------------------------------------------------

CREATE SEQUENCE seq_invoice START WITH 1000 INCREMENT BY 10 CACHE 50;
SELECT SUM(NEXT VALUE FOR seq_invoice) AS invoice_numbers FROM seq_1_to_123;
CREATE SEQUENCE seq_cycle START WITH 5 MINVALUE 1 MAXVALUE 9 NOCACHE CYCLE;
SELECT SUM(NEXT VALUE FOR seq_cycle) AS cycle_numbers FROM seq_1_to_7;
CREATE SEQUENCE seq_down START WITH -1 INCREMENT BY -1 ENGINE=Aria;
SELECT NEXT VALUE FOR seq_down;
CREATE TABLE uses_sequence (id BIGINT NOT NULL DEFAULT (NEXT VALUE FOR seq_invoice) PRIMARY KEY, v INT) ENGINE=InnoDB;
INSERT INTO uses_sequence (v) SELECT seq FROM seq_1_to_30;

-- System versioning: by time, by transaction, and partitioned ----------------------------------------------------

USE dba_history;

CREATE TABLE by_time (
  id INT NOT NULL PRIMARY KEY, v VARCHAR(40), w INT WITHOUT SYSTEM VERSIONING
) ENGINE=InnoDB WITH SYSTEM VERSIONING;
INSERT INTO by_time SELECT seq, SHA1(seq), 0 FROM seq_1_to_1000;
SET SESSION timestamp = UNIX_TIMESTAMP('2026-02-01 00:00:00');
UPDATE by_time SET v = REVERSE(v) WHERE id % 3 = 0;
SET SESSION timestamp = UNIX_TIMESTAMP('2026-03-01 00:00:00');
DELETE FROM by_time WHERE id % 10 = 0;

CREATE TABLE by_named_columns (
  id INT NOT NULL PRIMARY KEY, price DECIMAL(12,2),
  valid_from TIMESTAMP(6) GENERATED ALWAYS AS ROW START, valid_to TIMESTAMP(6) GENERATED ALWAYS AS ROW END,
  PERIOD FOR SYSTEM_TIME (valid_from, valid_to)
) ENGINE=Aria WITH SYSTEM VERSIONING;
INSERT INTO by_named_columns (id, price) SELECT seq, seq * 1.5 FROM seq_1_to_500;
SET SESSION timestamp = UNIX_TIMESTAMP('2026-03-02 00:00:00');
UPDATE by_named_columns SET price = price * 2 WHERE id % 2 = 0;
SET SESSION timestamp = UNIX_TIMESTAMP('2026-03-02 00:00:01');
DELETE FROM by_named_columns WHERE id < 20;

CREATE TABLE by_transaction (
  id INT NOT NULL PRIMARY KEY, v INT,
  trx_start BIGINT UNSIGNED GENERATED ALWAYS AS ROW START INVISIBLE,
  trx_end BIGINT UNSIGNED GENERATED ALWAYS AS ROW END INVISIBLE,
  PERIOD FOR SYSTEM_TIME (trx_start, trx_end)
) ENGINE=InnoDB WITH SYSTEM VERSIONING;
INSERT INTO by_transaction (id, v) SELECT seq, seq FROM seq_1_to_200;
UPDATE by_transaction SET v = -v WHERE id % 5 = 0;
DELETE FROM by_transaction WHERE id % 9 = 0;

CREATE TABLE by_partition (id INT NOT NULL PRIMARY KEY, v VARCHAR(40)) ENGINE=InnoDB WITH SYSTEM VERSIONING
  PARTITION BY SYSTEM_TIME (PARTITION p_old HISTORY, PARTITION p_current CURRENT);
INSERT INTO by_partition SELECT seq, MD5(seq) FROM seq_1_to_500;
SET SESSION timestamp = UNIX_TIMESTAMP('2026-03-03 00:00:00');
UPDATE by_partition SET v = 'changed' WHERE id % 4 = 0;
SET SESSION timestamp = UNIX_TIMESTAMP('2026-03-03 00:00:01');
DELETE FROM by_partition WHERE id % 5 = 0;
SET SESSION timestamp = UNIX_TIMESTAMP('2026-03-04 00:00:00');

CREATE TABLE application_period (
  room INT NOT NULL, guest VARCHAR(40), d1 DATE NOT NULL, d2 DATE NOT NULL,
  PERIOD FOR stay (d1, d2), UNIQUE KEY (room, stay WITHOUT OVERLAPS)
) ENGINE=InnoDB;
INSERT INTO application_period SELECT seq % 20, CONCAT('guest ', seq), '2026-01-01' + INTERVAL seq DAY, '2026-01-02' + INTERVAL seq DAY FROM seq_1_to_300;
DELETE FROM application_period FOR PORTION OF stay FROM '2026-03-01' TO '2026-04-01';

-- Types --------------------------------------------------------------------------------------------------------

USE dba_types;

CREATE TABLE numbers (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, t TINYINT, ut TINYINT UNSIGNED, s SMALLINT ZEROFILL, m MEDIUMINT, b BIGINT,
  ub BIGINT UNSIGNED, d DECIMAL(65,30), f FLOAT, dd DOUBLE, bits BIT(64), bool BOOLEAN
) ENGINE=InnoDB;
INSERT INTO numbers VALUES
  (1, -128, 255, 7, -8388608, -9223372036854775808, 18446744073709551615, -99999999999999999999999999999999999.999999999999999999999999999999, 1.17549e-38, 1.7976931348623157e308, b'1111111111111111111111111111111111111111111111111111111111111111', TRUE),
  (2, 127, 0, 65535, 8388607, 9223372036854775807, 0, 0.000000000000000000000000000001, -3.40282e38, 2.2250738585072014e-308, b'0', FALSE),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO numbers (t, b, d, f, dd) SELECT seq % 100, seq * seq, seq / 7, seq / 3, SQRT(seq) FROM seq_1_to_500;

CREATE TABLE temporals (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, d DATE, t TIME(6), dt DATETIME(6), dt0 DATETIME, y YEAR,
  ts TIMESTAMP(3) NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE=InnoDB;
INSERT INTO temporals (d, t, dt, dt0, y, ts) VALUES
  ('1000-01-01', '-838:59:59.999999', '1000-01-01 00:00:00.000000', '1970-01-01 00:00:00', 1901, '1970-01-01 00:00:01'),
  ('9999-12-31', '838:59:59.999999', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:08', 2155, '2038-01-19 03:14:07.999'),
  ('2024-02-29', '00:00:00.000001', '2024-02-29 12:34:56.123456', NULL, 0, NULL);
INSERT INTO temporals (d, t, dt) SELECT '2020-01-01' + INTERVAL seq DAY, SEC_TO_TIME(seq), '2020-01-01' + INTERVAL seq * 12345 SECOND FROM seq_1_to_500;

CREATE TABLE strings (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, u VARCHAR(100) CHARACTER SET utf8mb4, l VARCHAR(100) CHARACTER SET latin1,
  w VARCHAR(100) CHARACTER SET utf16, s VARCHAR(50) CHARACTER SET sjis, bin VARBINARY(100), fixed BINARY(8),
  e ENUM('small', 'mittel', 'groß'), st SET('a', 'b', 'ü', 'd'), j JSON, tt TINYTEXT, mt MEDIUMTEXT
) ENGINE=InnoDB;
INSERT INTO strings (u, l, w, s, bin, fixed, e, st, j, tt, mt) VALUES
  ('smile 😀 flag 🏳️‍🌈 家', 'Größe café', 'utf16 😀', '日本', X'00FF0A0D095C2722', X'01', 'groß', 'a,ü', '{"a": [1, 2, {"b": null}], "😀": "x"}', 'tiny', 'medium'),
  ('', '', '', '', '', '', NULL, '', 'null', '', ''),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('NULL', 'NULL', 'NULL', 'NULL', 'NULL', 'NULL', 'small', 'd', '"NULL"', 'NULL', 'tab\tnewline\nback\\slash\0nul');
INSERT INTO strings (u, bin, mt) SELECT CONCAT('ключ ', seq), UNHEX(SHA1(seq)), REPEAT(CONCAT(seq, ' '), 30) FROM seq_1_to_1000;

CREATE TABLE addresses (id INT NOT NULL PRIMARY KEY, six INET6, KEY (six)) ENGINE=InnoDB;
INSERT INTO addresses VALUES (1, '2001:db8::1'), (2, '::ffff:192.0.2.1'), (3, NULL), (4, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff');
/*M!100700 CREATE TABLE uuids (id UUID NOT NULL PRIMARY KEY, n INT) ENGINE=InnoDB */;
/*M!100700 INSERT INTO uuids SELECT CONCAT(LEFT(m, 8), '-', MID(m, 9, 4), '-4', MID(m, 14, 3), '-8', MID(m, 18, 3), '-', RIGHT(m, 12)), seq
  FROM (SELECT seq, MD5(seq) AS m FROM seq_1_to_500) AS hashes */;
/*M!101000 ALTER TABLE addresses ADD COLUMN four INET4 */;
/*M!101000 UPDATE addresses SET four = '192.0.2.17' WHERE id <> 3 */;
/*M!110701 CREATE TABLE vectors (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VECTOR(4) NOT NULL, VECTOR INDEX (v)) ENGINE=InnoDB */;
/*M!110701 INSERT INTO vectors (v) SELECT VEC_FromText(CONCAT('[', seq, ',', seq % 7, ',', seq / 3, ',0.5]')) FROM seq_1_to_300 */;

-- Other engines ------------------------------------------------------------------------------------------------

USE dba_engines;

CREATE TABLE aria_page (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100), t TEXT, KEY (v), FULLTEXT KEY (t))
  ENGINE=Aria TRANSACTIONAL=1 ROW_FORMAT=PAGE;
INSERT INTO aria_page (v, t) SELECT SHA1(seq), CONCAT('page ', MD5(seq)) FROM seq_1_to_4000;
CREATE TABLE aria_dynamic (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100), b BLOB, KEY (v))
  ENGINE=Aria TRANSACTIONAL=0 ROW_FORMAT=DYNAMIC PAGE_CHECKSUM=1;
INSERT INTO aria_dynamic (v, b) SELECT SHA1(seq), REPEAT(MD5(seq), seq % 20) FROM seq_1_to_2000;
CREATE TABLE aria_fixed (id INT NOT NULL PRIMARY KEY, c CHAR(40)) ENGINE=Aria TRANSACTIONAL=0 ROW_FORMAT=FIXED;
INSERT INTO aria_fixed SELECT seq, MD5(seq) FROM seq_1_to_2000;
CREATE TABLE aria_partitioned (id INT NOT NULL PRIMARY KEY, v VARCHAR(40)) ENGINE=Aria TRANSACTIONAL=1
  PARTITION BY HASH (id) PARTITIONS 3;
INSERT INTO aria_partitioned SELECT seq, SHA1(seq) FROM seq_1_to_1000;
CREATE TABLE aria_spatial (id INT NOT NULL PRIMARY KEY, p POINT NOT NULL, SPATIAL KEY (p)) ENGINE=Aria;
INSERT INTO aria_spatial SELECT seq, POINT(seq, -seq) FROM seq_1_to_300;

CREATE TABLE myisam_fixed (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, c CHAR(40), n INT, KEY (n)) ENGINE=MyISAM;
INSERT INTO myisam_fixed (c, n) SELECT MD5(seq), seq % 77 FROM seq_1_to_3000;
CREATE TABLE myisam_dynamic (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200), t TEXT, FULLTEXT KEY (t))
  ENGINE=MyISAM ROW_FORMAT=DYNAMIC CHECKSUM=1;
INSERT INTO myisam_dynamic (v, t) SELECT SHA1(seq), CONCAT('dynamic ', MD5(seq)) FROM seq_1_to_2000;
DELETE FROM myisam_dynamic WHERE id % 6 = 0;
CREATE TABLE myisam_counter (grp CHAR(3) NOT NULL, id INT NOT NULL AUTO_INCREMENT, v INT, PRIMARY KEY (grp, id)) ENGINE=MyISAM;
INSERT INTO myisam_counter (grp, v) SELECT ELT(1 + seq % 3, 'a', 'b', 'c'), seq FROM seq_1_to_300;
CREATE TABLE myisam_partitioned (id INT NOT NULL PRIMARY KEY, v VARCHAR(40)) ENGINE=MyISAM
  PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (500), PARTITION high VALUES LESS THAN MAXVALUE);
INSERT INTO myisam_partitioned SELECT seq, SHA1(seq) FROM seq_1_to_1000;
CREATE TABLE myisam_virtual (id INT NOT NULL PRIMARY KEY, twice INT AS (id * 2) VIRTUAL, half INT AS (id DIV 2) STORED, KEY (half)) ENGINE=MyISAM;
INSERT INTO myisam_virtual (id) SELECT seq FROM seq_1_to_500;

CREATE TABLE merge_2024 (id INT NOT NULL, v VARCHAR(40), KEY (id)) ENGINE=MyISAM;
CREATE TABLE merge_2025 (id INT NOT NULL, v VARCHAR(40), KEY (id)) ENGINE=MyISAM;
INSERT INTO merge_2024 SELECT seq, SHA1(seq) FROM seq_1_to_500;
INSERT INTO merge_2025 SELECT seq, SHA1(seq) FROM seq_501_to_900;
CREATE TABLE merge_all (id INT NOT NULL, v VARCHAR(40), KEY (id)) ENGINE=MERGE UNION=(merge_2024, merge_2025) INSERT_METHOD=LAST;
INSERT INTO merge_all VALUES (1000, 'through the merge table');

CREATE TABLE csv_table (id INT NOT NULL, v VARCHAR(100) NOT NULL, d DATETIME NOT NULL) ENGINE=CSV;
INSERT INTO csv_table SELECT seq, CONCAT('comma, "quote" \\ line\n', seq), '2026-01-01' + INTERVAL seq MINUTE FROM seq_1_to_500;

-- The rows of a MEMORY table do not survive a restart of any server: only its definition is compared.
CREATE TABLE memory_table (id INT NOT NULL PRIMARY KEY, v VARCHAR(40), KEY (v) USING BTREE) ENGINE=MEMORY;
INSERT INTO memory_table SELECT seq, MD5(seq) FROM seq_1_to_100;

DELIMITER //
BEGIN NOT ATOMIC
  DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET @no_archive = 1;
  EXECUTE IMMEDIATE 'INSTALL PLUGIN IF NOT EXISTS archive SONAME ''ha_archive''';
END //
BEGIN NOT ATOMIC
  IF EXISTS (SELECT 1 FROM information_schema.engines WHERE engine = 'ARCHIVE' AND support IN ('YES', 'DEFAULT')) THEN
    CREATE TABLE archive_table (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100), t TEXT) ENGINE=ARCHIVE;
    INSERT INTO archive_table (v, t) SELECT SHA1(seq), CONCAT('archived ', REPEAT(MD5(seq), 5)) FROM seq_1_to_2000;
    CREATE TABLE archive_partitioned (id INT NOT NULL, v VARCHAR(40)) ENGINE=ARCHIVE PARTITION BY HASH (id) PARTITIONS 2;
    INSERT INTO archive_partitioned SELECT seq, SHA1(seq) FROM seq_1_to_500;
  END IF;
END //
DELIMITER ;

-- Names --------------------------------------------------------------------------------------------------------

USE `dba_odd näme.with quotes 'x' "y" \ ; % $(z) * 表`;

CREATE TABLE `select` (`from` INT NOT NULL PRIMARY KEY, `order by` VARCHAR(20)) ENGINE=InnoDB;
INSERT INTO `select` SELECT seq, CONCAT('n', seq) FROM seq_1_to_50;
CREATE TABLE `-rf` LIKE `select`;
INSERT INTO `-rf` SELECT * FROM `select`;
CREATE TABLE `..` LIKE `select`;
INSERT INTO `..` SELECT * FROM `select`;
CREATE TABLE `../etc/passwd` (`a.b/c` INT NOT NULL PRIMARY KEY, ```` VARCHAR(20), `'"\` INT) ENGINE=InnoDB COMMENT='a\\b\n"c"';
INSERT INTO `../etc/passwd` SELECT seq, 'x', -seq FROM seq_1_to_50;
CREATE TABLE `two
lines	and a tab` LIKE `select`;
INSERT INTO `two
lines	and a tab` SELECT * FROM `select`;
CREATE TABLE `$(reboot); "quoted" 'single' \ %s {{ name }} & | < > *?` LIKE `select`;
INSERT INTO `$(reboot); "quoted" 'single' \ %s {{ name }} & | < > *?` SELECT * FROM `select`;
CREATE TABLE `Case` LIKE `select`;
CREATE TABLE `case` (other INT) ENGINE=Aria;
INSERT INTO `Case` SELECT * FROM `select`;
INSERT INTO `case` SELECT seq FROM seq_1_to_10;
CREATE TABLE `ключ 表 größe ñ` (`größe` INT NOT NULL PRIMARY KEY, `naïve col.umn` VARCHAR(20) DEFAULT '表', KEY `índice x` (`naïve col.umn`))
  ENGINE=MyISAM;
INSERT INTO `ключ 表 größe ñ` SELECT seq, CONCAT('😀', seq) FROM seq_1_to_50;
CREATE TABLE `sixty_four_characters_long_name_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx64` LIKE `select`;
INSERT INTO `sixty_four_characters_long_name_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx64` SELECT * FROM `select`;
CREATE TABLE `#sql-looks-temporary` LIKE `select`;
INSERT INTO `#sql-looks-temporary` SELECT * FROM `select`;
CREATE TABLE `a#P#b` (id INT NOT NULL PRIMARY KEY) ENGINE=InnoDB PARTITION BY RANGE (id)
  (PARTITION `p#SP#1` VALUES LESS THAN (20), PARTITION `p .ü` VALUES LESS THAN MAXVALUE);
INSERT INTO `a#P#b` SELECT seq FROM seq_1_to_50;
CREATE VIEW `view of "all"` AS SELECT `from` AS `fröm`, `order by` AS `表 in an alias?` FROM `select`;
CREATE SEQUENCE `séquence.1`;
SELECT NEXT VALUE FOR `séquence.1`;

-- Backquotes only where all tables are InnoDB: mariadb-backup 10.11 cannot back up others (see backquote.sql).
CREATE TABLE `dba_back``quote`.`in``no` (`c``x` INT NOT NULL PRIMARY KEY, t TEXT, FULLTEXT KEY `f``t` (t)) ENGINE=InnoDB;
INSERT INTO `dba_back``quote`.`in``no` SELECT seq, CONCAT('`', seq) FROM seq_1_to_50;
CREATE VIEW `dba_back``quote`.`a``view` AS SELECT `c``x` AS `d``y` FROM `dba_back``quote`.`in``no`;

CREATE TABLE dba_latin1.umlaute (id INT NOT NULL PRIMARY KEY, `wört` VARCHAR(50)) ENGINE=InnoDB;
INSERT INTO dba_latin1.umlaute VALUES (1, 'äöüß'), (2, 'ÿ'), (3, '€');

-- Users, roles, grants -------------------------------------------------------------------------------------------

DROP USER IF EXISTS 'dba_app'@'localhost', 'dba_app'@'%', 'dba_o''brien "x"'@'192.0.2.0/255.255.255.0', 'dba_größe'@'%.example.org',
  'dba_locked'@'localhost', 'dba_socket'@'localhost', 'dba_definer'@'localhost', 'dba_limited'@'%';
DROP ROLE IF EXISTS dba_reader, dba_writer, `dba_röle`;
CREATE ROLE dba_reader;
CREATE ROLE dba_writer;
CREATE ROLE `dba_röle`;
CREATE USER 'dba_app'@'localhost' IDENTIFIED BY PASSWORD '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19';
CREATE USER 'dba_app'@'%' IDENTIFIED BY PASSWORD '*14E65567ABDB5135D0CFD9A70B3032C179A49EE7' REQUIRE SSL;
CREATE USER 'dba_o''brien "x"'@'192.0.2.0/255.255.255.0';
CREATE USER 'dba_größe'@'%.example.org' IDENTIFIED VIA unix_socket OR mysql_native_password USING '*14E65567ABDB5135D0CFD9A70B3032C179A49EE7';
CREATE USER 'dba_locked'@'localhost' IDENTIFIED BY PASSWORD '*14E65567ABDB5135D0CFD9A70B3032C179A49EE7' ACCOUNT LOCK PASSWORD EXPIRE INTERVAL 90 DAY;
CREATE USER 'dba_socket'@'localhost' IDENTIFIED VIA unix_socket;
CREATE USER 'dba_definer'@'localhost' ACCOUNT LOCK;
CREATE USER 'dba_limited'@'%' REQUIRE ISSUER '/C=DE/CN=dba test CA' SUBJECT '/CN=limited'
  WITH MAX_QUERIES_PER_HOUR 1000 MAX_UPDATES_PER_HOUR 100 MAX_CONNECTIONS_PER_HOUR 50 MAX_USER_CONNECTIONS 5;
GRANT SELECT ON dba_innodb.* TO dba_reader;
GRANT dba_reader TO dba_writer;
GRANT INSERT, UPDATE, DELETE ON dba_innodb.* TO dba_writer;
GRANT SELECT, SHOW VIEW ON `dba\_odd%`.* TO `dba_röle`;
GRANT dba_writer TO 'dba_app'@'localhost' WITH ADMIN OPTION;
GRANT `dba_röle` TO 'dba_größe'@'%.example.org';
SET DEFAULT ROLE dba_writer FOR 'dba_app'@'localhost';
GRANT PROCESS, RELOAD, REPLICATION SLAVE ON *.* TO 'dba_app'@'%';
GRANT ALL PRIVILEGES ON dba_engines.* TO 'dba_app'@'%' WITH GRANT OPTION;
GRANT SELECT (id, u, bin), UPDATE (u), INSERT (l, w) ON dba_types.strings TO 'dba_app'@'localhost';
GRANT SELECT, TRIGGER ON dba_innodb.fk_parent TO 'dba_o''brien "x"'@'192.0.2.0/255.255.255.0';
GRANT SELECT ON `dba_ümläut`.`bestellung für größe` TO 'dba_größe'@'%.example.org';
GRANT ALL PRIVILEGES ON *.* TO 'dba_definer'@'localhost';
GRANT PROXY ON 'dba_app'@'localhost' TO 'dba_socket'@'localhost';
CREATE SERVER dba_server FOREIGN DATA WRAPPER mysql OPTIONS (HOST '192.0.2.9', DATABASE 'remote', USER 'reader', PORT 3310);

-- Views, routines, triggers, events --------------------------------------------------------------------------------

USE dba_code;

CREATE TABLE item (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL, qty INT NOT NULL DEFAULT 0,
  changed INT NOT NULL DEFAULT 0) ENGINE=InnoDB;
CREATE TABLE item_log (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, what VARCHAR(20) NOT NULL, item INT, old_qty INT, new_qty INT) ENGINE=Aria;

DELIMITER //
CREATE TRIGGER item_before_insert BEFORE INSERT ON item FOR EACH ROW SET NEW.name = TRIM(NEW.name) //
CREATE TRIGGER item_after_insert AFTER INSERT ON item FOR EACH ROW
  INSERT INTO item_log (what, item, new_qty) VALUES ('insert', NEW.id, NEW.qty) //
CREATE TRIGGER item_before_update BEFORE UPDATE ON item FOR EACH ROW SET NEW.changed = OLD.changed + 1 //
CREATE DEFINER='dba_definer'@'localhost' TRIGGER item_before_update_2 BEFORE UPDATE ON item FOR EACH ROW FOLLOWS item_before_update
BEGIN
  -- "quotes", `backquotes`, 'ünïcödé 😀'
  IF NEW.qty < 0 THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Menge darf nicht negativ sein: größer 😀';
  END IF;
END //
CREATE TRIGGER item_after_update AFTER UPDATE ON item FOR EACH ROW
  INSERT INTO item_log (what, item, old_qty, new_qty) VALUES ('update', NEW.id, OLD.qty, NEW.qty) //
CREATE TRIGGER `item after delete.x` AFTER DELETE ON item FOR EACH ROW
  INSERT INTO item_log (what, item, old_qty) VALUES ('delete', OLD.id, OLD.qty) //

CREATE FUNCTION net_price(gross DECIMAL(12,2), rate DECIMAL(5,2)) RETURNS DECIMAL(12,2) DETERMINISTIC NO SQL
  COMMENT 'net = gross / (1 + rate)'
  RETURN ROUND(gross / (1 + rate / 100), 2) //
CREATE DEFINER='dba_definer'@'localhost' FUNCTION item_count() RETURNS INT READS SQL DATA SQL SECURITY DEFINER
BEGIN
  DECLARE n INT DEFAULT 0;
  FOR r IN (SELECT id FROM item) DO
    SET n = n + 1;
  END FOR;
  RETURN n;
END //
CREATE AGGREGATE FUNCTION product_of(x DOUBLE) RETURNS DOUBLE DETERMINISTIC NO SQL
BEGIN
  DECLARE p DOUBLE DEFAULT 1;
  DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN p;
  LOOP
    FETCH GROUP NEXT ROW;
    SET p = p * x;
  END LOOP;
END //
CREATE PROCEDURE restock(IN wanted INT, OUT changed_rows INT, INOUT note VARCHAR(200))
  MODIFIES SQL DATA SQL SECURITY INVOKER COMMENT 'it''s a procedure 😀'
BEGIN
  DECLARE done BOOLEAN DEFAULT FALSE;
  DECLARE v_id INT;
  DECLARE c CURSOR FOR SELECT id FROM item WHERE qty < wanted;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE;
  SET changed_rows = 0;
  OPEN c;
  lööp: LOOP
    FETCH c INTO v_id;
    IF done THEN LEAVE lööp; END IF;
    UPDATE item SET qty = wanted WHERE id = v_id;
    SET changed_rows = changed_rows + 1;
  END LOOP;
  CLOSE c;
  SET note = CONCAT(note, ' fertig');
END //
CREATE PROCEDURE `odd näme.proc `` x`() BEGIN SELECT 'x' AS `y`; END //

SET @saved_mode = @@sql_mode //
SET SESSION sql_mode = 'ORACLE' //
CREATE PACKAGE stock AS
  FUNCTION total RETURN INT DETERMINISTIC;
  PROCEDURE empty_all;
END //
CREATE PACKAGE BODY stock AS
  FUNCTION total RETURN INT AS n INT; BEGIN SELECT SUM(qty) INTO n FROM item; RETURN n; END;
  PROCEDURE empty_all AS BEGIN UPDATE item SET qty = 0; END;
END //
SET SESSION sql_mode = @saved_mode //

CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 02:00:00' ON COMPLETION PRESERVE ENABLE COMMENT 'far away'
DO DELETE FROM item_log WHERE id < 0 //
CREATE DEFINER='dba_definer'@'localhost' EVENT `disabled évent` ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2036-01-01 00:00:00' ENDS '2037-12-31 00:00:00'
DISABLE DO
BEGIN
  UPDATE item SET qty = qty + 1;
  INSERT INTO item_log (what) VALUES ('event 😀');
END //
CREATE EVENT once ON SCHEDULE AT '2037-06-01 12:00:00' DO SET @nothing = 1 //
DELIMITER ;

INSERT INTO item (name, qty) SELECT CONCAT('  item ', seq), seq % 50 FROM seq_1_to_500;
SET @note = 'restock';
CALL restock(10, @changed, @note);
DELETE FROM item WHERE id % 50 = 0;

CREATE VIEW simple_view AS SELECT id, name, qty FROM item WHERE qty > 5 WITH CASCADED CHECK OPTION;
CREATE ALGORITHM=TEMPTABLE DEFINER='dba_definer'@'localhost' SQL SECURITY INVOKER VIEW grouped_view AS
  SELECT qty, COUNT(*) AS n, GROUP_CONCAT(name ORDER BY id SEPARATOR ', ') AS names FROM item GROUP BY qty;
CREATE ALGORITHM=MERGE VIEW view_of_view AS SELECT v.id, g.n FROM simple_view v JOIN grouped_view g USING (qty);
CREATE VIEW window_view AS
  WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 10)
  SELECT r.n, i.name, ROW_NUMBER() OVER (PARTITION BY r.n ORDER BY i.id) AS pos FROM r JOIN item i ON i.id = r.n;
CREATE VIEW view_across AS SELECT c.id, p.boss, b.`straße` FROM dba_innodb.fk_child c JOIN dba_innodb.fk_parent p ON p.a = c.pa
  LEFT JOIN `dba_ümläut`.`bestellung für größe` b ON b.`schlüssel` = c.id;
CREATE VIEW `ünïcode view 表` AS SELECT 'a😀b' AS `emoji`, net_price(119, 19) AS net, item_count() AS items;

GRANT EXECUTE ON PROCEDURE dba_code.restock TO 'dba_app'@'localhost';
GRANT EXECUTE ON FUNCTION dba_code.net_price TO dba_reader;
GRANT SHOW VIEW, SELECT ON dba_code.view_of_view TO 'dba_o''brien "x"'@'192.0.2.0/255.255.255.0';
FLUSH PRIVILEGES;

SELECT 'everything loaded' AS done;
