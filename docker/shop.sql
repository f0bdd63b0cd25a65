-- A small shop, for the walk through docker/README.md.
CREATE TABLE product (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    category text NOT NULL,
    price_cents integer NOT NULL,
    in_stock boolean NOT NULL DEFAULT true,
    added_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE product_label (
    product_id bigint NOT NULL REFERENCES product ON DELETE CASCADE,
    label_id bigint NOT NULL,
    PRIMARY KEY (product_id, label_id)
);
