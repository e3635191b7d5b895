import pytest

from client import Client
from client.runs.flags import build_parser
from client.transport.address import (
    check_address,
    is_loopback,
    proxy_hint,
    proxy_variable,
)
from client.transport.connections import Connections

PROXY = {"https_proxy": "http://user:secret@proxy:3128", "http_proxy": "http://other:1"}


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", "got ''; TensorFlow Serving's gRPC port is 8500: localhost:8500"),
        (None, "got None; TensorFlow Serving's gRPC port is 8500: localhost:8500"),
        (8500, "got 8500; "),
        ("localhost", "got 'localhost'; name the port too"),
        ("[::1]", "name the port too"),
        ("dns:///models", "name the port too"),
        ("::1:8500", r"write an IPv6 address in brackets, as \[::1\]:8500"),
        ("localhost:http", r"a port is a number of 1\.\.65535"),
        ("localhost:0", r"a port is a number of 1\.\.65535"),
        ("localhost:65536", r"a port is a number of 1\.\.65535"),
        ("localhost:" + "9" * 5000, r"a port is a number of 1\.\.65535"),
        ("localhost: 8500", "write it without blanks"),
        ("localhost:8500\n", "write it without blanks"),
        ("localhost:8500/v1", "leave out what comes behind the port"),
        ("http://localhost:8501", "leave out 'http://' .*, and name the gRPC port"),
        ("HTTPS://localhost:8500", "leave out 'HTTPS://'"),
        ("grpc://localhost:8500", "leave out 'grpc://'"),
    ],
)
def test_addresses_that_are_none(address, told, capsys):
    with pytest.raises(ValueError, match=f"^address: expected HOST:PORT, .*{told}"):
        check_address(address)
    with pytest.raises(ValueError, match="address: expected HOST:PORT"):
        Client(address)
    if isinstance(address, str):
        with pytest.raises(SystemExit) as ended:
            build_parser().parse_args(["--info", "--server", address])
        assert ended.value.code == 2
        assert "argument --server: expected HOST:PORT, got" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address",
    ["localhost:1", "10.0.0.1:65535", "[::1]:8500", "dns:///models:8500", "unix:/s"],
)
def test_addresses(address):
    assert check_address(address) == address


@pytest.mark.parametrize(
    "host",
    [
        *("localhost:1", "LOCALHOST.:1", "a.localhost:1", "127.0.0.1:1", "127.9.8.7:1"),
        *("127.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "0.0.0.0:1"),
        *("dns:///localhost:1", "dns://9.9.9.9/localhost:1", "dns:127.0.0.1:1"),
        *("ipv4:127.0.0.1:1", "ipv4:127.0.0.1:1,127.0.0.2:1", "ipv6:[::1]:1"),
    ],
)
def test_this_machine_in_all_its_forms(host):
    assert is_loopback(host)
    assert proxy_variable(host, PROXY) == ""
    assert Connections(host, (), None)._options["grpc.enable_http_proxy"] == 0
    given = Connections(host, [("grpc.enable_http_proxy", 1)], None)
    assert given._options["grpc.enable_http_proxy"] == 1


@pytest.mark.parametrize(
    "host",
    [
        *("localhost.example.com:1", "127.example.com:1", "10.0.0.1:1", "[::2]:1"),
        *("ipv4:127.0.0.1:1,10.0.0.1:1", "dns:///models:1"),
    ],
)
def test_other_machines(host):
    assert not is_loopback(host)
    assert proxy_variable(host, PROXY) == "https_proxy"
    assert "grpc.enable_http_proxy" not in Connections(host, (), None)._options


def test_proxy_variables():
    host = "models.example.com:8500"
    assert proxy_variable(host, {}) == ""
    assert proxy_variable(host, {"https_proxy": "", "http_proxy": "x"}) == "http_proxy"
    assert proxy_variable(host, PROXY | {"grpc_proxy": "x"}) == "grpc_proxy"
    assert proxy_variable(host, PROXY | {"no_proxy": "a, .example.com"}) == ""
    own_exceptions = {"no_grpc_proxy": "other", "no_proxy": "models.example.com"}
    assert proxy_variable(host, PROXY | own_exceptions) == "https_proxy"
    assert proxy_variable("unix:/s", PROXY) == ""


def test_an_error_names_the_proxy(monkeypatch):
    for name in ("grpc_proxy", "http_proxy", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://user:secret@localhost:1")
    hint = (
        "; the proxy of the environment variable https_proxy was asked for it: if it "
        "is not meant for this server, set no_proxy=192.0.2.1"
    )
    assert proxy_hint("192.0.2.1:8500") == hint
    with pytest.raises(Exception, match="no server answered within 1 s") as caught:
        Client("192.0.2.1:8500", connect_timeout_s=1.0)
    assert str(caught.value).endswith(hint)
    assert "secret" not in str(caught.value)


def test_a_proxy_is_not_asked_for_this_machine(server, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://localhost:1")
    for form in ("localhost:{}", "dns:///localhost:{}", "ipv4:127.0.0.1:{}"):
        with Client(form.format(server.port)) as client:
            assert client.model_version == 3
