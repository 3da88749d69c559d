//! Random jumps between remembered states, over a schema that has everything: after each, a full dump of the database
//! must be the one that was taken when the state was first reached.
//!
//! `VENOMQA_SOUNDNESS_JUMPS` makes it longer, `VENOMQA_SOUNDNESS_SEED` another one.

use super::fixture::{Walk, run};
use crate::random::Random;
use crate::world::system::{System as _, SystemState};

const SCHEMA: &str = r#"
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE SCHEMA billing; CREATE SCHEMA "Odd Schema";
CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE TYPE part AS (name text, amount numeric);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE customers (id serial PRIMARY KEY, email text UNIQUE, balance numeric(12, 2) NOT NULL DEFAULT 0, at timestamptz DEFAULT now());
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE,
  total numeric, double numeric GENERATED ALWAYS AS (total * 2) STORED, data jsonb, raw json, tags text[], parts part[], mood mood, blob bytea,
  f float8, pos positive, iv interval);
CREATE TABLE billing."order" (a int, "select" text, customer int REFERENCES customers ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, PRIMARY KEY ("select", a));
CREATE TABLE "Odd Schema"."loose; rows" (n int, t text);
CREATE TABLE log (what text, at timestamptz);
CREATE TABLE events (id bigserial, kind text, n int, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
CREATE TABLE events_a PARTITION OF events FOR VALUES IN ('a');
CREATE TABLE events_b (n int, kind text NOT NULL, id bigint NOT NULL DEFAULT 0);
ALTER TABLE events ATTACH PARTITION events_b FOR VALUES IN ('b');
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE TABLE parent (id int PRIMARY KEY, n int); CREATE TABLE child (extra text, PRIMARY KEY (id)) INHERITS (parent);
CREATE TABLE slots (id int PRIMARY KEY, slot int UNIQUE DEFERRABLE, during int4range, EXCLUDE USING gist (during WITH &&));
CREATE UNIQUE INDEX ON customers (lower(email));
CREATE SEQUENCE loose START 5;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO log VALUES (TG_TABLE_NAME || ' ' || TG_OP, clock_timestamp());
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'orders' THEN UPDATE customers SET balance = balance + 1 WHERE id = NEW.customer; END IF;
  RETURN NULL; END $$;
CREATE TRIGGER aaa AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER zzz AFTER INSERT OR DELETE ON customers FOR EACH ROW EXECUTE FUNCTION note();
CREATE TABLE kept (id int PRIMARY KEY, gone bool DEFAULT false);
CREATE RULE soft AS ON DELETE TO kept DO INSTEAD UPDATE kept SET gone = true WHERE id = OLD.id;
CREATE VIEW rich AS SELECT id, balance FROM customers WHERE balance > 0;
INSERT INTO customers (email, balance) SELECT 'c' || i || '@x', i FROM generate_series(1, 5) i;
INSERT INTO slots SELECT i, i, int4range(i * 10, i * 10 + 5) FROM generate_series(1, 4) i;
INSERT INTO "Odd Schema"."loose; rows" VALUES (1, 'x'), (1, 'x'), (2, NULL);
INSERT INTO parent VALUES (1, 1); INSERT INTO child VALUES (2, 2, 'y'); INSERT INTO kept VALUES (1), (2), (3);
"#;

/// What a service may do; `{n}` is a small random number, `{m}` another.
const STEPS: &[&str] = &[
    "INSERT INTO customers (email) VALUES ('C{n}' || clock_timestamp() || '@x')",
    "INSERT INTO customers (email) VALUES ('c1@x') ON CONFLICT (email) DO UPDATE SET balance = customers.balance + {n}",
    "INSERT INTO customers (email) VALUES ('c{n}@x') ON CONFLICT DO NOTHING",
    "UPDATE customers SET id = id + 1000 WHERE id % 7 = {n}",
    "DELETE FROM customers WHERE id % 5 = {n}",
    "UPDATE customers SET email = email || {n} WHERE id % 3 = 0",
    r#"INSERT INTO orders (customer, total, data, raw, tags, parts, mood, blob, f, pos, iv) SELECT id, {n}.50 * id, '{"a": [1, null]}', '{"b":  {m}}',
       '{x,NULL,"a \"b\""}', ARRAY[ROW('p', {n}.10)::part, NULL], 'fine', '\x00ff', 0.1 + {n}, 7, '1 mon -{m} days' FROM customers LIMIT 2"#,
    "INSERT INTO orders OVERRIDING SYSTEM VALUE SELECT 100000 + coalesce(max(id), 0), NULL, NULL FROM orders",
    "UPDATE orders SET total = total + 0.01, f = f * 1.1 WHERE id % 2 = {n} % 2",
    "DELETE FROM orders WHERE id % 4 = {n}",
    "TRUNCATE orders RESTART IDENTITY",
    "TRUNCATE customers CASCADE",
    r#"INSERT INTO billing."order" SELECT {n}, 's' || {m}, (SELECT min(id) FROM customers) ON CONFLICT DO NOTHING"#,
    r#"UPDATE billing."order" SET "select" = "select" || 'x' WHERE a = {n}"#,
    r#"DELETE FROM billing."order" WHERE a = {n}"#,
    r#"INSERT INTO "Odd Schema"."loose; rows" VALUES ({n} % 2, 'x'), ({n} % 2, 'x')"#,
    r#"DELETE FROM "Odd Schema"."loose; rows" WHERE ctid IN (SELECT ctid FROM "Odd Schema"."loose; rows" LIMIT {n})"#,
    r#"UPDATE "Odd Schema"."loose; rows" SET n = 1, t = 'x'"#,
    r#"TRUNCATE "Odd Schema"."loose; rows""#,
    "INSERT INTO events (kind, n) VALUES ('a', {n}), ('b', {n}), ('c', {m})",
    "UPDATE events SET kind = (ARRAY['a', 'b', 'z'])[1 + {n} % 3] WHERE n = {m}",
    "DELETE FROM events WHERE id % 3 = {n}",
    "TRUNCATE events_a",
    "UPDATE parent SET n = n + {n}",
    "INSERT INTO child SELECT coalesce(max(id), 0) + 1, {n}, NULL FROM parent",
    "DELETE FROM parent WHERE id % 3 = {n}",
    "BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE slots SET slot = 5 - slot; COMMIT",
    "UPDATE slots SET during = '[90,95)' WHERE id = 1; UPDATE slots SET during = '[10,15)' WHERE id = 2; UPDATE slots SET during = '[20,25)' WHERE id = 1",
    "SELECT nextval('loose') FROM generate_series(1, {n})",
    "SELECT setval('loose', 100 + {n}, false)",
    "DELETE FROM kept WHERE id = {n}",
    "INSERT INTO kept VALUES ({n}) ON CONFLICT (id) DO UPDATE SET gone = NOT kept.gone",
    "BEGIN; DELETE FROM orders; DELETE FROM customers; ROLLBACK",
    "BEGIN; SAVEPOINT a; INSERT INTO parent VALUES (77, 1); ROLLBACK TO a; INSERT INTO parent SELECT 78, {n} WHERE NOT EXISTS (SELECT FROM parent WHERE id = 78); COMMIT",
    "SET session_replication_role = replica; DELETE FROM customers WHERE id % 4 = {n}; RESET session_replication_role",
    "UPDATE rich SET balance = balance - 1 WHERE id % 2 = 0",
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn random_jumps_between_states_are_exact() {
    let jumps = number("VENOMQA_SOUNDNESS_JUMPS", 400);
    let mut random = Random::new(number("VENOMQA_SOUNDNESS_SEED", 1));
    run(async {
        let mut walk = Walk::new(SCHEMA).await;
        let mut states: Vec<(SystemState, String)> = vec![(walk.state.clone(), walk.dump().await)];
        let mut seen = 0;
        for jump in 0..jumps {
            let (state, content) = states[random.below(states.len())].clone();
            walk.try_restore(&state)
                .await
                .unwrap_or_else(|error| panic!("jump {jump}: {error:?}"));
            assert_eq!(walk.dump().await, content, "jump {jump}");
            if jump % 10 == 0 {
                walk.system.verify(&state).await.unwrap();
            }
            for _ in 0..=random.below(3) {
                let step = STEPS[random.below(STEPS.len())]
                    .replace("{n}", &random.below(5).to_string())
                    .replace("{m}", &random.below(5).to_string());
                // What the database refuses has happened as well: a number may be gone.
                if walk.service.batch_execute(&step).await.is_err() {
                    walk.sql("ROLLBACK; RESET session_replication_role").await;
                }
                let reading = walk
                    .try_read()
                    .await
                    .unwrap_or_else(|error| panic!("jump {jump}, {step}: {error:?}"));
                assert!(reading.warnings.is_empty(), "{:?}", reading.warnings);
                seen += reading.delta.changes().len();
                let reached = (walk.state.clone(), walk.dump().await);
                // A walk of any length remembers as many states as it can jump between.
                if states.len() < 60 {
                    states.push(reached);
                } else {
                    let place = 1 + random.below(states.len() - 1);
                    states[place] = reached;
                }
            }
        }
        assert!(seen > jumps as usize, "the walk stood still");
        walk.finish().await;
    });
}
