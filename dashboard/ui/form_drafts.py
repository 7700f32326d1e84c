"""Forms that lose nothing: a POST is answered by 303 to an address that holds the draft.

The address of a form names at most the key of its draft (`?form=`); what was typed stays on the
server. Each form carries its key and, signed, its person and its address, so that a form that is
sent after its session ended still finds its place.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from dashboard.ui.htmx import SeeOther
from dashboard.ui.list_url import with_query
from dashboard.ui.times import TimeFormatter
from isales_proxy.accounts import form_drafts
from isales_proxy.accounts.form_drafts import Draft
from isales_proxy.models import User

# In an address: the key of the draft, and that its review is asked for.
FORM: Final = "form"
REVIEW: Final = "review"
# In a form.
KEY: Final = "key"
OWNER: Final = "owner"
DISCARD: Final = "discard"
_LEAVE: Final = "leave"
_SALT: Final = "callboard.form-draft"
_KEY: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_OWN: Final = (FORM, REVIEW)


@dataclass(frozen=True)
class OpenForm:
    """A form as its page shows it. `data` is what was typed, None for a form nobody typed into.

    `outcome` is the address of what came of a form that was carried out before.
    """

    key: str
    owner: str
    address: str
    data: QueryDict | None = field(default=None, repr=False)
    judged: bool = False
    notice: str = ""
    status: int = 200
    undone: bool = False
    restored_at: str = ""
    outcome: str = ""


def get_base_address(request: HttpRequest) -> str:
    """The address of this request without what names a draft."""
    query = request.GET.copy()
    for name in _OWN:
        query.pop(name, None)
    return with_query(request.path, query.urlencode())


def get_draft_address(address: str, key: str, *, review: bool = False) -> str:
    """The address of a form, naming its draft."""
    more = urlencode({FORM: key} | ({REVIEW: "1"} if review else {}))
    return f"{address}{'&' if '?' in address else '?'}{more}"


def open_form(request: HttpRequest, address: str = "") -> OpenForm:
    """The form at this address: with the draft that it names, else with the newest one typed here,
    else empty under a new key. `address` where it is not that of the request."""
    user = cast("User", request.user)
    address = address or get_base_address(request)
    wanted = request.GET.get(FORM, "")
    found: Draft | None = None
    restored = False
    if _KEY.fullmatch(wanted):
        found = form_drafts.find(user=user, key=wanted)
        if found is not None and found.address != address and not found.done:
            found = None
    elif request.method == "GET":
        found = form_drafts.latest(user=user, address=address)
        restored = found is not None
    if found is None:
        return _new(user, address, gone=bool(wanted))
    if found.done:
        return OpenForm(found.key, "", address, outcome=found.outcome or address)
    return OpenForm(
        key=found.key,
        owner=_signed(user, found.key, address),
        address=address,
        data=found.fields,
        judged=found.judged and not restored,
        notice="" if restored else found.notice,
        status=200 if restored else found.status,
        undone=found.undone,
        restored_at=TimeFormatter(timezone.now()).short(found.saved_at)
        if restored or not found.judged
        else "",
    )


def redirect_to_outcome(request: HttpRequest, form: OpenForm) -> HttpResponse | None:
    """To what came of a form that was carried out before; None for any other."""
    if not form.outcome:
        return None
    messages.info(request, _("This form was sent before. This is what came of it."))
    return SeeOther(form.outcome)


def get_posted_key(request: HttpRequest) -> str:
    """The key that the sent form bears; a new one for a form without."""
    key = request.POST.get(KEY, "")
    return key if _KEY.fullmatch(key) else uuid.uuid4().hex


def save_and_redirect(
    request: HttpRequest,
    *,
    key: str,
    address: str = "",
    review: bool = False,
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    """Keep what was sent, and lead (303) to the page that judges and shows it."""
    user = cast("User", request.user)
    address = address or get_base_address(request)
    if form_drafts.save(
        user=user,
        key=key,
        address=address,
        fields=request.POST,
        judged=True,
        notice=notice,
        status=status,
    ):
        return SeeOther(get_draft_address(address, key, review=review))
    found = form_drafts.find(user=user, key=key)
    if found is not None and found.done:
        messages.info(request, _("This form was sent before. This is what came of it."))
        return SeeOther(found.outcome or address)
    messages.error(request, _("What you sent is too long. Nothing has been saved."))
    return SeeOther(address)


def discard_if_asked(request: HttpRequest, *, leave: str, address: str = "") -> HttpResponse | None:
    """After “Cancel” and “Start over”: the draft is forgotten; None where neither was pressed."""
    wanted = request.POST.get(DISCARD, "")
    if not wanted:
        return None
    address = address or get_base_address(request)
    user = cast("User", request.user)
    form_drafts.discard(user=user, key=get_posted_key(request), address=address)
    return SeeOther(get_local_address(request, leave) if wanted == _LEAVE else address)


def save_typed(request: HttpRequest) -> bool:
    """Keep what stands in a form that was not sent yet. False without a form of this person."""
    place = _place(request.POST.get(OWNER, ""))
    user = cast("User", request.user)
    if place is None or not user.is_authenticated or place[0] != user.pk:
        return False
    _pk, key, address = place
    return form_drafts.save(user=user, key=key, address=address, fields=request.POST)


def get_posted_address(request: HttpRequest) -> str:
    """The address of the sent form with its draft; "" for a form that was not made here."""
    place = _place(request.POST.get(OWNER, ""))
    return get_draft_address(place[2], place[1]) if place else ""


def save_undone(request: HttpRequest) -> str:
    """Keep a form that was sent when its session had ended, for its own person alone.

    Gives the address at which it stands; "" for a form of nobody.
    """
    place = _place(request.POST.get(OWNER, ""))
    user = User.objects.filter(pk=place[0], is_active=True).first() if place else None
    if place is None or user is None:
        return ""
    _pk, key, address = place
    kept = form_drafts.save(user=user, key=key, address=address, fields=request.POST, undone=True)
    return get_draft_address(address, key) if kept else address


def get_local_address(request: HttpRequest, wanted: Any, *, default: str = "/") -> str:
    """`wanted` where it is an address of this server, else `default`."""
    text = str(wanted or "")
    safe = (
        text.startswith("/")
        and len(text) <= form_drafts.LONGEST_ADDRESS
        and url_has_allowed_host_and_scheme(
            text, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        )
    )
    return text if safe else default


def get_referring_address(request: HttpRequest) -> str:
    """The local address of the page that this request came from; "" where it is none of ours."""
    referer = request.headers.get("Referer", "")
    origin = f"{request.scheme}://{request.get_host()}"
    if not referer.startswith(f"{origin}/"):
        return ""
    return get_local_address(request, referer.removeprefix(origin), default="")


def get_previous_address(request: HttpRequest) -> str:
    """Likewise, "" also where that is the page itself."""
    address = get_referring_address(request)
    return "" if address.partition("?")[0] == request.path else address


def _new(user: User, address: str, *, gone: bool) -> OpenForm:
    key = uuid.uuid4().hex
    notice = _("What you typed is no longer kept. Nothing has been saved.") if gone else ""
    return OpenForm(key, _signed(user, key, address), address, notice=notice)


def _signed(user: User, key: str, address: str) -> str:
    return signing.dumps([user.pk, key, address], salt=_SALT)


def _place(owner: str) -> tuple[int, str, str] | None:
    """Person, key and address of a form, from what it carries; None if that was not made here."""
    try:
        pk, key, address = signing.loads(owner, salt=_SALT, max_age=form_drafts.KEPT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return int(pk), str(key), str(address)
