"""Command lines of ``docker`` that together make the engine send every message it can, in all shapes."""

NET = "network create --driver pynet"
RUN = "run -d --log-driver none --stop-signal KILL"

SYSCTL = "net.ipv4.conf.IFNAME.log_martians=1"

SCENARIOS = (
    f"{NET} plain",
    f"{RUN} --name one --network plain IMAGE",
    f"{RUN} --name exposed --network plain --expose 80 --expose 53/udp IMAGE",
    f"{RUN} --name ports --network plain -p 8080:80 -p 127.0.0.1:5353:53/udp -p 9000-9002:9000-9002 IMAGE",
    f"{RUN} --name mac --network plain --mac-address 02:42:0a:0b:0c:0d IMAGE",
    f"{RUN} --name dns --network plain --dns 192.0.2.53 IMAGE",
    f"{NET} --subnet 10.51.0.0/24 --gateway 10.51.0.254 --ip-range 10.51.0.128/25 --aux-address r=10.51.0.5 sub",
    f"{RUN} --name fixed --network sub --ip 10.51.0.77 IMAGE",
    "network connect --driver-opt com.example.note=hello sub one",
    "network disconnect sub one",
    f"{NET} --internal inside",
    f"{RUN} --name hidden --network inside -p 8081:80 IMAGE",
    f"{NET} --ipv6 --subnet 10.52.0.0/24 --subnet fd00:52::/64 dual",
    f"{RUN} --name both --network dual --ip6 fd00:52::99 IMAGE",
    f"{NET} -o com.docker.network.driver.mtu=1400 -o flag= opts",
    f"{NET} -o pynet.nonsense=1 refused",
    f"{NET} --ipam-driver pynet own",
    f"{RUN} --name leased --network own IMAGE",
    f"{NET} --ipam-driver pynet --ipv6 --subnet 10.53.0.0/24 --subnet fd00:53::/64 --aux-address x=10.53.0.9 own6",
    f"{NET} --ipam-driver pynet --ipam-opt com.example.a=b --subnet 10.54.0.0/24 --ip-range 10.54.0.64/26 own4",
    f"{NET} --config-only --subnet 10.55.0.0/24 template",
    f"{NET} --config-from template from-template",
    f"{NET} --ipv4=false --ipv6 six",
    f"{RUN} --name onlysix --network six IMAGE",
    f"{RUN} --name twogates --network plain --network six -p 8082:80 IMAGE",
    f"{RUN} --name bothgates --network dual -p 8083:80 IMAGE",
    "network connect --gw-priority 5 sub bothgates",
    "network disconnect sub bothgates",
    f"{RUN} --name tuned --network name=plain,driver-opt=com.docker.network.endpoint.sysctls={SYSCTL} IMAGE",
    "rm -f one exposed ports mac dns fixed hidden both leased onlysix twogates bothgates tuned",
    "network rm plain sub inside dual opts own own6 own4 from-template template six",
)
