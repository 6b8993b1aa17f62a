import asyncio, os, time
from tests.servers.postgres import PostgresServer
from optibid_console.journal_place import place_of
from optibid_console.journal import postgres_link, postgres_schema, postgres_table, places
from optibid_console.journal.lease import this_engine
from optibid_console.entries import Held, OperatorTook
async def main(s):
    os.environ["PGPASSWORD"]=s.password
    a=place_of(f"postgresql://postgres@127.0.0.1:{s.port}/postgres")
    with postgres_link.connect_any(a, writable=True) as db:
        print(postgres_schema.init(db,a))
        print(postgres_schema.init(db,a))
    op=place_of(f"postgresql://optibid_operator@127.0.0.1:{s.port}/postgres")
    s.execute(f"alter role optibid_operator password '{s.password}'; alter role optibid_observer password '{s.password}'")
    op=places.own_address(op,"W",rehearsal=False)
    print(op)
    j=await places.open_journal(op)
    print(await j.acquire("ann",this_engine()))
    for i in range(3): print((await j.append("ann",Held(f"x{i}"))).seq)
    print(await j.append("ann",OperatorTook("ann",5)))
    await j.beat()
    print(await j.held())
    t=time.perf_counter()
    for i in range(300): await j.append("ann",Held(f"x{i}"))
    print((time.perf_counter()-t)/300*1e3,"ms")
    print(places.verify(op))
    ob=place_of(str(op).replace("optibid_operator","optibid_observer"))
    o=await places.open_journal(ob,writable=False)
    print(o.head(), await o.held())
    t=time.perf_counter(); task=asyncio.create_task(o.news(5)); await asyncio.sleep(.3); await j.append("a",Held("n")); await task; print("news", time.perf_counter()-t)
    await o.close()
    with postgres_link.connect_any(ob, writable=True) as db:
        print(db.execute("select * from pg_control_system()").fetchall())
    await j.close()
s=PostgresServer(); s.start()
try: asyncio.run(main(s))
finally: s.remove()
