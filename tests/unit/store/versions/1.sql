BEGIN TRANSACTION;
CREATE TABLE counter (revision INTEGER NOT NULL);
INSERT INTO "counter" VALUES(1);
CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL,
           PRIMARY KEY (kind, key)) WITHOUT ROWID;
INSERT INTO "record" VALUES('endpoint','a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1/e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0',1,'{"id":"e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0","network_id":"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","mac":"02:42:0a:09:00:02","ipv4":"10.9.0.2/24","ipv6":"fd00:9::2/64","driver_opts":{"key":"value"},"published":[{"proto":6,"port":80,"target":"10.9.0.2","host":"0.0.0.0","host_port":8080},{"proto":17,"port":53,"target":"fd00:9::2","host":null,"host_port":0}]}');
INSERT INTO "record" VALUES('lease','pynet-local/10.9.0.0/24/10.9.0.128/25#10.9.0.129',1,'{"pool_id":"pynet-local/10.9.0.0/24/10.9.0.128/25","address":"10.9.0.129","purpose":"gateway","name":"router"}');
INSERT INTO "record" VALUES('network','a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1',1,'{"id":"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","mode":"bridge","link":"lan0","owns_link":false,"internal":true,"subnets":[{"pool":"10.9.0.0/24","gateway":null,"aux_addresses":{"DefaultGatewayIPv4":"10.9.0.9/24"}},{"pool":"fd00:9::/64","gateway":"fd00:9::1/64","aux_addresses":{}}],"options":{"com.docker.network.bridge.name":"lan0"},"found":["fd00:9::1/64"],"mac":"02:00:00:00:00:07"}');
INSERT INTO "record" VALUES('pool','pynet-local/10.9.0.0/24/10.9.0.128/25',1,'{"id":"pynet-local/10.9.0.0/24/10.9.0.128/25","subnet":"10.9.0.0/24","sub_pool":"10.9.0.128/25"}');
INSERT INTO "record" VALUES('setting','net/ipv4/ip_forward',1,'{"path":"net/ipv4/ip_forward","before":"0"}');
INSERT INTO "record" VALUES('tombstone','pnhdead',1,'{"link":"pnhdead","owner":"e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1"}');
INSERT INTO "record" VALUES('turn','v4',1,'{"version":4,"number":3,"last":"10.200.0.0/24"}');
COMMIT;
PRAGMA user_version = 1;
