"""What ihatemoney reads when it starts."""

import os

kind, _, location = os.environ["DATABASE"].partition(":")
SQLALCHEMY_DATABASE_URI = f"sqlite:///{location}" if kind == "sqlite" else f"postgresql:{location}"
SQLALCHEMY_TRACK_MODIFICATIONS = False
SECRET_KEY = "only for tests"
ACTIVATE_DEMO_PROJECT = False
ALLOW_PUBLIC_PROJECT_CREATION = True
ADMIN_PASSWORD = ""
MAIL_SUPPRESS_SEND = True
