-- Copyright: (c) 2026, dba.mariabackup contributors
-- GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A MyISAM and an Aria table whose files are symbolic links to @DIRECTORY@. mariadb-backup follows the links: after a
-- restore the files lie in the datadir, and the tables no longer say DATA DIRECTORY.

SET NAMES utf8mb4;
DROP DATABASE IF EXISTS dba_linked;
CREATE DATABASE dba_linked CHARACTER SET utf8mb4;
USE dba_linked;
CREATE TABLE linked (id INT NOT NULL PRIMARY KEY, v VARCHAR(100)) ENGINE=MyISAM
  DATA DIRECTORY='@DIRECTORY@' INDEX DIRECTORY='@DIRECTORY@';
INSERT INTO linked SELECT seq, SHA1(seq) FROM seq_1_to_1000;
CREATE TABLE linked_aria (id INT NOT NULL PRIMARY KEY, v VARCHAR(100)) ENGINE=Aria
  DATA DIRECTORY='@DIRECTORY@' INDEX DIRECTORY='@DIRECTORY@';
INSERT INTO linked_aria SELECT seq, SHA1(seq) FROM seq_1_to_1000;
SELECT 'data_directory_myisam loaded' AS done;
