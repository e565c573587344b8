-- Copyright: (c) 2026, dba.mariabackup contributors
-- GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Encrypted tables. Needs a server with a key management plugin and keys 1 and 2.

SET NAMES utf8mb4;
DROP DATABASE IF EXISTS dba_encrypted;
CREATE DATABASE dba_encrypted CHARACTER SET utf8mb4;
USE dba_encrypted;
CREATE TABLE key_one (id INT NOT NULL PRIMARY KEY, v VARCHAR(200)) ENGINE=InnoDB ENCRYPTED=YES ENCRYPTION_KEY_ID=1;
INSERT INTO key_one SELECT seq, SHA2(seq, 512) FROM seq_1_to_5000;
CREATE TABLE key_two (id INT NOT NULL PRIMARY KEY, v VARCHAR(200)) ENGINE=InnoDB ENCRYPTED=YES ENCRYPTION_KEY_ID=2
  PAGE_COMPRESSED=1;
INSERT INTO key_two SELECT seq, REPEAT('x', 200) FROM seq_1_to_5000;
CREATE TABLE in_clear (id INT NOT NULL PRIMARY KEY) ENGINE=InnoDB ENCRYPTED=NO;
INSERT INTO in_clear SELECT seq FROM seq_1_to_100;
SELECT 'encrypted loaded' AS done;
