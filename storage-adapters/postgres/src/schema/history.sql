-- The history that the server's data had when somebody looked last: its identity and its timeline. NULL: nobody has looked.
ALTER TABLE syncline ADD COLUMN history text;
