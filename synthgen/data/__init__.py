"""From a user's files to a source of records, split once and for all."""
