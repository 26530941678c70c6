"""How a store is reached: what GDAL's and the providers' own variables say, in the form that obstore takes."""

from __future__ import annotations

import configparser
import os
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoships.errors import OutputError

if TYPE_CHECKING:
    from obstore.store import ClientConfig

YES = {"yes", "true", "1", "on"}
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # as Amazon's own programs read them


def is_set(name: str) -> bool:
    """Whether a variable of the environment is a yes."""
    return os.environ.get(name, "").lower() in YES


def s3_endpoint() -> str | None:
    """Address of another server than Amazon's that speaks its protocol; None: Amazon's own.

    ``AWS_ENDPOINT_URL_S3`` and ``AWS_ENDPOINT_URL`` are addresses. ``AWS_S3_ENDPOINT``, which GDAL reads, is the name
    of a server, to which ``AWS_HTTPS=NO`` belongs where it has no certificate.
    """
    for name in ENDPOINTS:
        if address := os.environ.get(name):
            return address.rstrip("/")
    host = os.environ.get("AWS_S3_ENDPOINT")
    if not host or "://" in host:
        return host or None
    secure = os.environ.get("AWS_HTTPS", "YES").lower() in YES
    return f"{'https' if secure else 'http'}://{host}"


def gdal_s3_options() -> dict[str, str]:
    """Settings with which GDAL reads from the server of `s3_endpoint`, by the keys that Amazon's own programs find."""
    endpoint = s3_endpoint()
    options: dict[str, str] = {}
    if keys := os.environ.get("AWS_SHARED_CREDENTIALS_FILE"):
        options["CPL_AWS_CREDENTIALS_FILE"] = keys
    if endpoint and "://" in endpoint:
        scheme, _, host = endpoint.partition("://")
        options |= {"AWS_S3_ENDPOINT": host, "AWS_HTTPS": "NO" if scheme == "http" else "YES"}
        if "AWS_VIRTUAL_HOSTING" not in os.environ:
            options["AWS_VIRTUAL_HOSTING"] = "FALSE"
    return options


def client_options(*, plain: bool) -> ClientConfig:
    """Time limits of requests; plain: without encryption, as to a server of one's own."""
    return {"connect_timeout": "10s", "timeout": "300s", "allow_http": plain}


def s3_settings() -> dict[str, Any]:
    """Settings of S3 beyond those that obstore reads from the environment by itself.

    Raises:
        OutputError: A profile needs more than its file says.
    """
    endpoint = s3_endpoint()
    found: dict[str, Any] = {"client_options": client_options(plain=bool(endpoint and endpoint.startswith("http://")))}
    if endpoint:
        found["endpoint"] = endpoint
        found["virtual_hosted_style_request"] = is_set("AWS_VIRTUAL_HOSTING")
    if os.environ.get("AWS_REQUEST_PAYER"):
        found["request_payer"] = True
    if is_set("AWS_NO_SIGN_REQUEST"):
        return {**found, "skip_signature": True}
    if not os.environ.get("AWS_ACCESS_KEY_ID"):
        found |= _profile()
    return found


def _profile() -> dict[str, Any]:
    """Keys and region of a profile in the files of the AWS command line; by boto3 where it is installed."""
    name = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    keys = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    settings = Path(os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser()
    if not name and not keys.is_file() and not settings.is_file():
        return {}
    section, other = _section(keys, name or "default"), _section(settings, name or "default", "profile ")
    region = {} if _region_is_stated() or "region" not in other else {"region": other["region"]}
    stated = {**other, **section}
    if "aws_access_key_id" in stated and "aws_secret_access_key" in stated:
        token = {"session_token": stated["aws_session_token"]} if "aws_session_token" in stated else {}
        return {
            "access_key_id": stated["aws_access_key_id"], "secret_access_key": stated["aws_secret_access_key"], **token,
            **region,
        }  # fmt: skip
    if not stated and not name:
        return {}
    return {**region, **_by_boto3(name)}


def _by_boto3(name: str | None) -> dict[str, Any]:
    """A provider of keys that change, such as those of a role or of single sign-on."""
    profile = f"the AWS profile {name or 'default'}"
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise OutputError(f"{profile} holds no keys; pip install boto3, which signs in with roles and SSO") from None
    try:
        return {"credential_provider": Boto3CredentialProvider(boto3.Session(profile_name=name))}
    except Exception as error:  # botocore has its own tree of errors
        raise OutputError(f"{profile} cannot be used ({type(error).__name__}); check AWS_PROFILE") from None


def _section(path: Path, name: str, prefix: str = "") -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        raise OutputError(f"{path}: cannot be read as a file of AWS profiles; check its lines") from None
    for title in (f"{prefix}{name}", name):
        if parser.has_section(title):
            return dict(parser.items(title))
    return {}


def _region_is_stated() -> bool:
    return bool(os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))


def gs_settings() -> dict[str, Any]:
    """Settings of Google Cloud Storage beyond those that obstore reads from the environment by itself."""
    plain = {"client_options": client_options(plain=False)}
    return {**plain, "skip_signature": True} if is_set("GS_NO_SIGN_REQUEST") else plain


def az_settings() -> dict[str, Any]:
    """Settings of Azure Blob Storage beyond those that obstore reads from the environment by itself.

    Raises:
        OutputError: The account is not stated.
    """
    account = os.environ.get("AZURE_STORAGE_ACCOUNT") or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    found: dict[str, Any] = {"client_options": client_options(plain=False)}
    stated = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
    parts = dict(part.partition("=")[::2] for part in stated.split(";") if part)
    account = account or parts.get("AccountName")
    if not account:
        raise OutputError("the storage account of az:// addresses is not known; set AZURE_STORAGE_ACCOUNT")
    found["account_name"] = account
    if "AccountKey" in parts:
        found["account_key"] = parts["AccountKey"]
    if "SharedAccessSignature" in parts:
        found["sas_key"] = parts["SharedAccessSignature"]
    if endpoint := parts.get("BlobEndpoint"):
        found["endpoint"] = endpoint
        found["client_options"] = client_options(plain=endpoint.startswith("http://"))
    return {**found, "skip_signature": True} if is_set("AZURE_NO_SIGN_REQUEST") else found


def http_settings(*, plain: bool) -> dict[str, Any]:
    """Settings of a server that takes files by PUT; user and password are those that GDAL reads with.

    Args:
        plain: Whether the address is of http.
    """
    options = client_options(plain=plain)
    bearer, user = os.environ.get("GDAL_HTTP_BEARER"), os.environ.get("GDAL_HTTP_USERPWD")
    if bearer:
        options["default_headers"] = {"authorization": f"Bearer {bearer}"}
    elif user:
        options["default_headers"] = {"authorization": f"Basic {b64encode(user.encode()).decode()}"}
    return {"client_options": options}
