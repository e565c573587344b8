-- Copyright: (c) 2026, dba.mariabackup contributors
-- GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Tables outside of the datadir. The directory @DIRECTORY@ has to exist and belong to the server's user;
-- tests/support/dataset.py makes it and puts its name in.

SET NAMES utf8mb4;
DROP DATABASE IF EXISTS dba_outside;
CREATE DATABASE dba_outside CHARACTER SET utf8mb4;
USE dba_outside;
CREATE TABLE far_away (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200), KEY (v)) ENGINE=InnoDB
  DATA DIRECTORY='@DIRECTORY@';
INSERT INTO far_away (v) SELECT CONCAT(SHA2(seq, 512)) FROM seq_1_to_5000;
CREATE TABLE near (id INT NOT NULL PRIMARY KEY) ENGINE=InnoDB;
INSERT INTO near SELECT seq FROM seq_1_to_100;
CREATE TABLE one_partition_away (id INT NOT NULL PRIMARY KEY, v VARCHAR(100)) ENGINE=InnoDB PARTITION BY RANGE (id) (
  PARTITION here VALUES LESS THAN (1000), PARTITION away VALUES LESS THAN MAXVALUE DATA DIRECTORY='@DIRECTORY@');
INSERT INTO one_partition_away SELECT seq, SHA1(seq) FROM seq_1_to_2000;
SELECT 'data_directory loaded' AS done;
