// Makes the database that soul-cli serves: accounts, and moves of money that a trigger books. `node create.js FILE`
const Database = require('better-sqlite3');

const database = new Database(process.argv[2]);
database.pragma('journal_mode = wal');
database.exec(`
  CREATE TABLE IF NOT EXISTS accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL UNIQUE,
    balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0)
  );
  CREATE TABLE IF NOT EXISTS moves (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    amount INTEGER NOT NULL,
    made_at TEXT DEFAULT CURRENT_TIMESTAMP
  );
  CREATE TRIGGER IF NOT EXISTS moves_are_booked AFTER INSERT ON moves BEGIN
    UPDATE accounts SET balance = balance + NEW.amount WHERE id = NEW.account_id;
  END;
`);
database.close();
