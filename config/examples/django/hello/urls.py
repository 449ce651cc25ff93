"""Two pages: the greeting, and the one that the readiness probe asks for."""

from django.urls import path

from hello import views

urlpatterns = [path("", views.greet), path("healthz", views.healthz)]
