"""A small shop with bugs in it that no single request shows. `BUGS=none` leaves them out, `BUGS=refund,ship` plants two.

cancel   cancelling an order again puts its goods back on the shelf again
refund   an order that was cancelled after it was returned is paid back twice
ship     an order that was paid and then cancelled can still be shipped
coupon   changing an order keeps the coupon's old use and takes a new one
sales    the average of no paid order at all is a division by zero
"""

import os
import sqlite3
from contextlib import contextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

BUGS = set(os.environ.get("BUGS", "cancel,refund,ship,coupon,sales").split(","))
SCHEMA = """
CREATE TABLE IF NOT EXISTS products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS coupons (code TEXT PRIMARY KEY, percent INTEGER NOT NULL, uses INTEGER NOT NULL DEFAULT 0, at_most INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL,
    total INTEGER NOT NULL,
    coupon TEXT REFERENCES coupons (code),
    status TEXT NOT NULL DEFAULT 'open',
    paid INTEGER NOT NULL DEFAULT 0,
    refunded INTEGER NOT NULL DEFAULT 0,
    was_cancelled INTEGER NOT NULL DEFAULT 0
);
INSERT OR IGNORE INTO products VALUES (1, 'mug', 100, 3), (2, 'plate', 250, 1);
INSERT OR IGNORE INTO coupons VALUES ('WELCOME', 10, 0, 2);
"""

app = FastAPI(title="Shop", version="1.0.0")


@contextmanager
def database():
    connection = sqlite3.connect(os.environ.get("DATABASE", "shop.db"), isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    finally:
        connection.close()


def create_tables():
    connection = sqlite3.connect(os.environ.get("DATABASE", "shop.db"))
    connection.execute("PRAGMA journal_mode = wal")
    connection.executescript(SCHEMA)
    connection.close()


create_tables()


class NewOrder(BaseModel):
    product_id: int
    quantity: int = Field(ge=1, le=10)
    coupon: str | None = None


class Change(BaseModel):
    quantity: int = Field(ge=1, le=10)


class Order(BaseModel):
    id: int
    product_id: int
    quantity: int
    total: int
    coupon: str | None
    status: str
    paid: int
    refunded: int


class Sales(BaseModel):
    orders: int
    average: float


def found(connection, order_id):
    order = connection.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone()
    if order is None:
        raise HTTPException(404, "no such order")
    return order


def shown(connection, order_id) -> Order:
    return Order(**dict(found(connection, order_id)))


def must(condition, why):
    if not condition:
        raise HTTPException(409, why)


def take(connection, product_id, quantity):
    """Takes goods from the shelf, or puts them back; the price of one."""
    product = connection.execute("SELECT * FROM products WHERE id = ?", (product_id,)).fetchone()
    must(product is not None, "no such product")
    must(product["stock"] >= quantity, "not so many are left")
    connection.execute("UPDATE products SET stock = stock - ? WHERE id = ?", (quantity, product_id))
    return product["price"]


def redeem(connection, code, total):
    coupon = connection.execute("SELECT * FROM coupons WHERE code = ?", (code,)).fetchone()
    must(coupon is not None and coupon["uses"] < coupon["at_most"], "the coupon is not valid")
    connection.execute("UPDATE coupons SET uses = uses + 1 WHERE code = ?", (code,))
    return total - total * coupon["percent"] // 100


def update(connection, order_id, **values):
    columns = ", ".join(f"{name} = :{name}" for name in values)
    connection.execute(f"UPDATE orders SET {columns} WHERE id = :id", {**values, "id": order_id})


@app.get("/health")
def health() -> str:
    return "ready"


@app.post("/orders", status_code=201, responses={409: {}})
def create_order(new: NewOrder) -> Order:
    with database() as connection:
        total = new.quantity * take(connection, new.product_id, new.quantity)
        if new.coupon:
            total = redeem(connection, new.coupon, total)
        cursor = connection.execute(
            "INSERT INTO orders (product_id, quantity, total, coupon) VALUES (?, ?, ?, ?)",
            (new.product_id, new.quantity, total, new.coupon),
        )
        return shown(connection, cursor.lastrowid)


@app.get("/orders/{order_id}", responses={404: {}})
def show_order(order_id: int) -> Order:
    with database() as connection:
        return shown(connection, order_id)


@app.get("/orders")
def list_orders() -> list[Order]:
    with database() as connection:
        return [Order(**dict(row)) for row in connection.execute("SELECT * FROM orders ORDER BY id")]


@app.put("/orders/{order_id}", responses={404: {}, 409: {}})
def change_order(order_id: int, change: Change) -> Order:
    with database() as connection:
        order = found(connection, order_id)
        must(order["status"] == "open", "it is not open any more")
        total = change.quantity * take(connection, order["product_id"], change.quantity - order["quantity"])
        if order["coupon"]:
            if "coupon" not in BUGS:
                connection.execute("UPDATE coupons SET uses = uses - 1 WHERE code = ?", (order["coupon"],))
            total = redeem(connection, order["coupon"], total)
        update(connection, order_id, quantity=change.quantity, total=total)
        return shown(connection, order_id)


@app.post("/orders/{order_id}/payment", responses={404: {}, 409: {}})
def pay_order(order_id: int) -> Order:
    with database() as connection:
        order = found(connection, order_id)
        must(order["status"] == "open", "it is not open")
        update(connection, order_id, status="paid", paid=order["total"])
        return shown(connection, order_id)


@app.post("/orders/{order_id}/cancellation", responses={404: {}, 409: {}})
def cancel_order(order_id: int) -> Order:
    with database() as connection:
        order = found(connection, order_id)
        allowed = {"open", "paid"}
        if "cancel" in BUGS:
            allowed.add("cancelled")
        if "refund" in BUGS:
            allowed.add("returned")
        must(order["status"] in allowed, "too late, or cancelled already")
        if order["status"] != "returned":
            take(connection, order["product_id"], -order["quantity"])
        refund = order["paid"] if order["status"] in ("paid", "returned") else 0
        update(connection, order_id, status="cancelled", refunded=order["refunded"] + refund, was_cancelled=1)
        return shown(connection, order_id)


@app.post("/orders/{order_id}/shipment", responses={404: {}, 409: {}})
def ship_order(order_id: int) -> Order:
    with database() as connection:
        order = found(connection, order_id)
        is_paid = order["paid"] > 0 if "ship" in BUGS else order["status"] == "paid"
        must(is_paid and order["status"] not in ("shipped", "returned"), "it is not paid")
        update(connection, order_id, status="shipped")
        return shown(connection, order_id)


@app.post("/orders/{order_id}/return", responses={404: {}, 409: {}})
def return_order(order_id: int) -> Order:
    with database() as connection:
        order = found(connection, order_id)
        must(order["status"] == "shipped", "it was not shipped")
        take(connection, order["product_id"], -order["quantity"])
        update(connection, order_id, status="returned", refunded=order["refunded"] + order["paid"])
        return shown(connection, order_id)


@app.get("/sales")
def show_sales() -> Sales:
    with database() as connection:
        orders = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
        paid, total = connection.execute(
            "SELECT count(*), coalesce(sum(paid), 0) FROM orders WHERE paid > 0"
        ).fetchone()
        if orders == 0 or (paid == 0 and "sales" not in BUGS):
            return Sales(orders=orders, average=0)
        return Sales(orders=orders, average=total / paid)
