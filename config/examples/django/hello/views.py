"""Say which copy answers, and how often this visitor has been here."""

import os

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def greet(request: HttpRequest) -> HttpResponse:
    """Greet; the count of visits travels in the visitor's own signed cookie."""
    visits = request.session.get("visits", 0) + 1
    request.session["visits"] = visits
    version, pod, node = (os.environ.get(name, "?") for name in ("VERSION", "POD", "NODE"))
    return HttpResponse(
        f"{settings.GREETING} from {pod} on {node}, version {version}, visit {visits}\n", content_type="text/plain"
    )


def healthz(_request: HttpRequest) -> HttpResponse:
    """Say that this copy serves."""
    return HttpResponse("ok\n", content_type="text/plain")
