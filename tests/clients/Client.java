// What programs written with the Java client of Spring Cloud do: register, look for healthy instances, keys, locks.

import com.ecwid.consul.v1.ConsulClient;
import com.ecwid.consul.v1.QueryParams;
import com.ecwid.consul.v1.agent.model.NewService;
import com.ecwid.consul.v1.health.HealthServicesRequest;
import com.ecwid.consul.v1.kv.model.PutParams;
import com.ecwid.consul.v1.session.model.NewSession;
import java.util.List;
import java.util.function.Supplier;

public class Client {
    static ConsulClient client;

    static void check(String what, Object found, Object wanted) {
        if (!wanted.equals(found)) {
            throw new IllegalStateException(what + ": " + found + " instead of " + wanted);
        }
    }

    static int healthy(boolean passing) {
        var request = HealthServicesRequest.newBuilder().setPassing(passing).setQueryParams(QueryParams.DEFAULT).build();
        return client.getHealthServices("web", request).getValue().size();
    }

    static void waitFor(String what, Supplier<Object> look, Object wanted) {
        long index = -1;
        for (int tries = 0; tries < 20 && !wanted.equals(look.get()); tries++) {
            index = client.getCatalogServices(new QueryParams(1, index)).getConsulIndex();
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
        client.agentServiceRegister(service);
        client.agentCheckPass("service:web1");
        waitFor("passing", () -> healthy(true), 1);
        client.agentCheckFail("service:web1");
        waitFor("critical", () -> healthy(true), 0);
        check("still there", healthy(false), 1);
        client.agentServiceDeregister("web1");
        waitFor("gone", () -> healthy(false), 0);
    }

    static void keys() {
        check("put", client.setKVValue("config/app", "a=1").getValue(), true);
        check("get", client.getKVValue("config/app").getValue().getDecodedValue(), "a=1");
        check("list", client.getKVValues("config/").getValue().size(), 1);
        var session = new NewSession();
        session.setName("holder");
        var id = client.sessionCreate(session, QueryParams.DEFAULT).getValue();
        var acquire = new PutParams();
        acquire.setAcquireSession(id);
        check("acquire", client.setKVValue("lock", "mine", acquire).getValue(), true);
        check("the holder", client.getKVValue("lock").getValue().getSession(), id);
        client.sessionDestroy(id, QueryParams.DEFAULT);
        client.deleteKVValues("config/");
        check("deleted", client.getKVValue("config/app").getValue() == null, true);
    }

    public static void main(String[] arguments) {
        client = new ConsulClient(arguments[0]);
        check("a leader", client.getStatusLeader().getValue().isEmpty(), false);
        services();
        keys();
        System.out.println("all done");
    }
}
