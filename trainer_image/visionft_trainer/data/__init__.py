"""From what users have to rows: containers, shapes, pictures, augmentation, and the report on them."""
