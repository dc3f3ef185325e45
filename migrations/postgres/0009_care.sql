-- What the service looks after by itself, as JSON: how the application is scaled, and which
-- troubles are under way. Without: scaled by AWS's rule, and well.
ALTER TABLE applications ADD COLUMN care TEXT;
