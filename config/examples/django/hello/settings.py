"""What differs from place to place is in the environment: a Secret and a ConfigMap put it there."""

import os

SECRET_KEY = os.environ["SECRET_KEY"]
GREETING = os.environ.get("GREETING", "Hello")
DEBUG = False
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "*").split(",")
ROOT_URLCONF = "hello.urls"
WSGI_APPLICATION = "hello.wsgi.application"
INSTALLED_APPS = ["django.contrib.sessions"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
# Signed with the key that all copies share: whichever of them answers next can read it, and there is no database.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
USE_TZ = True
