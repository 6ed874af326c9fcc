"""One module a contestant. Each imports its package and no other contestant's; `common` needs pandas alone."""
