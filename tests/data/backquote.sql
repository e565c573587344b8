-- Copyright: (c) 2026, dba.mariabackup contributors
-- GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A legal table that mariadb-backup 10.11 and 11.8 cannot back up (10.5 can): it does not double the backquotes when it
-- locks a table that is not InnoDB, and gives up with "failed to execute query BACKUP LOCK". For the test of that message.

DROP DATABASE IF EXISTS dba_backquote;
CREATE DATABASE dba_backquote CHARACTER SET utf8mb4;
CREATE TABLE dba_backquote.`ar``ia` (id INT NOT NULL PRIMARY KEY) ENGINE=Aria;
INSERT INTO dba_backquote.`ar``ia` VALUES (1), (2);
