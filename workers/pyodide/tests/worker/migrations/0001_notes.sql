-- A semicolon in a text is no end; a trigger holds some of its own.
CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
CREATE TABLE log (text TEXT);
CREATE TRIGGER noted AFTER INSERT ON notes BEGIN
  INSERT INTO log VALUES (CASE WHEN new.text IS NULL THEN 'none' ELSE new.text END);
END;
INSERT INTO notes (text) VALUES ('a;b -- c');
