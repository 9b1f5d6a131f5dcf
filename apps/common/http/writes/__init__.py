"""Safe writes: one transaction each, carried out once when repeated, refused when they would overwrite."""
