"""A typed client of CC-iSales that needs no framework.

::

    with Client(TransportConfig(base_url=…, credentials=Credentials(ak, sk))) as isales:
        page = isales.list_reservations(vdn=88, query=ReservationQuery(size=50))
"""
