// What programs written with the Java client of Spring Cloud do: register, look for healthy instances, keys, locks.
// Arguments: the host; for HTTPS also the port, a token, the key store, that of the authority, and the password of both.

import com.ecwid.consul.v1.ConsulClient;
import com.ecwid.consul.v1.QueryParams;
import com.ecwid.consul.transport.TLSConfig;
import com.ecwid.consul.transport.TLSConfig.KeyStoreInstanceType;
import com.ecwid.consul.v1.agent.model.NewService;
import com.ecwid.consul.v1.catalog.CatalogServicesRequest;
import com.ecwid.consul.v1.health.HealthServicesRequest;
import com.ecwid.consul.v1.kv.model.PutParams;
import com.ecwid.consul.v1.session.model.NewSession;
import java.util.List;
import java.util.function.Supplier;

public class Client {
    static ConsulClient client;
    static String token;

    static void check(String what, Object found, Object wanted) {
        if (!wanted.equals(found)) {
            throw new IllegalStateException(what + ": " + found + " instead of " + wanted);
        }
    }

    static int healthy(boolean passing) {
        var request = HealthServicesRequest.newBuilder().setPassing(passing).setToken(token).setQueryParams(QueryParams.DEFAULT).build();
        return client.getHealthServices("web", request).getValue().size();
    }

    static void waitFor(String what, Supplier<Object> look, Object wanted) {
        long index = -1;
        for (int tries = 0; tries < 20 && !wanted.equals(look.get()); tries++) {
            var request = CatalogServicesRequest.newBuilder().setToken(token).setQueryParams(new QueryParams(1, index));
            index = client.getCatalogServices(request.build()).getConsulIndex();
        }
        check(what, look.get(), wanted);
    }

    static void services() {
        var service = new NewService();
        service.setId("web1");
        service.setName("web");
        service.setPort(80);
        service.setTags(List.of("v1"));
        var check = new NewService.Check();
        check.setTtl("1h");
        service.setCheck(check);
        client.agentServiceRegister(service, token);
        client.agentCheckPass("service:web1", null, token);
        waitFor("passing", () -> healthy(true), 1);
        client.agentCheckFail("service:web1", null, token);
        waitFor("critical", () -> healthy(true), 0);
        check("still there", healthy(false), 1);
        client.agentServiceDeregister("web1", token);
        waitFor("gone", () -> healthy(false), 0);
    }

    static void keys() {
        check("put", client.setKVValue("config/app", "a=1", token, null).getValue(), true);
        check("get", client.getKVValue("config/app", token).getValue().getDecodedValue(), "a=1");
        check("list", client.getKVValues("config/", token).getValue().size(), 1);
        var session = new NewSession();
        session.setName("holder");
        var id = client.sessionCreate(session, QueryParams.DEFAULT, token).getValue();
        var acquire = new PutParams();
        acquire.setAcquireSession(id);
        check("acquire", client.setKVValue("lock", "mine", token, acquire).getValue(), true);
        check("the holder", client.getKVValue("lock", token).getValue().getSession(), id);
        client.sessionDestroy(id, QueryParams.DEFAULT, token);
        client.deleteKVValues("config/", token);
        check("deleted", client.getKVValue("config/app", token).getValue() == null, true);
    }

    public static void main(String[] arguments) {
        if (arguments.length == 1) {
            client = new ConsulClient(arguments[0]);
        } else {
            token = arguments[2];
            var password = arguments[5];
            var tls = new TLSConfig(KeyStoreInstanceType.PKCS12, arguments[3], password, arguments[4], password);
            client = new ConsulClient("https://" + arguments[0], Integer.parseInt(arguments[1]), tls);
        }
        check("a leader", client.getStatusLeader().getValue().isEmpty(), false);
        services();
        keys();
        System.out.println("all done");
    }
}
