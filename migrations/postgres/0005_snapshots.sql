-- When maintenance may begin, as JSON: minutes of the day (UTC); without, the Region's.
ALTER TABLE applications ADD COLUMN maintenance_start TEXT;
